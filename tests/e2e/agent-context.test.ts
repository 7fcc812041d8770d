// What an agent was shown and what it changed, by content: searches in the repository's index, reads of files and edits of them, each traceable to
// git's own objects.

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readHistory } from './api.ts';
import { call, type ScriptedAgent, startScriptedAgent, type TurnEvent } from './scripted-agent.ts';

const run = promisify(execFile);
let agent: ScriptedAgent;
let commit: string;

const retry =
  'export class Retry {\n  /** Süß: doubles. */\n  nextDelayMs(attempt: number) {\n    return 2 ** attempt;\n  }\n}\n';

async function git(...args: string[]): Promise<string> {
  const identity = ['-c', 'user.name=Test', '-c', 'user.email=test@example.org'];
  return (await run('git', ['-C', agent.repository.path, ...identity, ...args])).stdout.trim();
}

beforeAll(async () => {
  agent = await startScriptedAgent('agent-context');
  await mkdir(join(agent.repository.path, 'lib'), { recursive: true });
  await writeFile(join(agent.repository.path, 'lib/retry.ts'), retry);
  await git('add', '.');
  await git('commit', '-qm', 'Retry');
  commit = await git('rev-parse', 'HEAD');
  const search = () => agent.api.get(`/v1/projects/${agent.projectId}/context?q=delay`);
  while (!(await search()).body.index.complete);
});
afterAll(() => agent?.stop());

const turnEvents = async (sessionId: string, turnId: string) =>
  (await readHistory(agent.api, sessionId)).filter((event) => (event as TurnEvent).turnId === turnId);
const sha256 = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest('hex');

test('each search of the agent leaves what it was shown, by the names that git has for it', async () => {
  agent.script('where is the delay', [
    {
      toolCalls: [
        call('search_context', { query: 'delay of an attempt' }),
        call('search_symbols', { query: 'nextDelayMs' }),
        call('search_symbols', { query: 'nothingIsCalledThat' }),
        call('search_context', { query: '' }),
      ],
    },
    { content: 'In lib/retry.ts.' },
  ]);
  const sessionId = await agent.openSession('Searches');
  // What upstream has now is not what the session began with.
  await git('commit', '-q', '--allow-empty', '-m', 'Later');
  const turnId = await agent.send(sessionId, 'where is the delay?');
  expect((await agent.awaitEnd(sessionId, turnId)).data).toMatchObject({ outcome: 'completed' });
  const events = await turnEvents(sessionId, turnId);
  const referenced = events.filter(({ type }) => type === 'context.referenced').map(({ data }) => data as any);
  expect(referenced.map(({ toolCallId }) => toolCallId)).toEqual([0, 1, 2].map((index) => `${turnId}-1-${index}`));
  expect(referenced.map(({ query }) => query)).toEqual(['delay of an attempt', 'nextDelayMs', 'nothingIsCalledThat']);
  const blob = await git('rev-parse', `${commit}:lib/retry.ts`);
  const at = { repository: agent.repository.path, commit, path: 'lib/retry.ts', blob };
  expect(referenced[0].references[0]).toMatchObject(at);
  expect(referenced[1].references[0]).toMatchObject({ ...at, firstLine: 3, lastLine: 5, score: 1 });
  for (const one of referenced.flatMap(({ references }) => references))
    expect(one.blob).toBe(await git('rev-parse', `${one.commit}:${one.path}`));
  const ends = events.filter(({ type }) => type === 'tool.ended').map(({ data }) => data['failed']);
  expect(ends).toEqual([false, false, false, true]);
  const heard = JSON.stringify((agent.model.getRequests().at(-1)!.body as any).messages);
  expect(heard).toContain('return 2 ** attempt');
  expect(heard).toContain(commit);
});

test('each read of the agent leaves which bytes of which file, and each change the blobs before and after it', async () => {
  const edited = retry.replace('2 ** attempt', '3 ** attempt');
  const patch =
    '--- a/lib/retry.ts\n+++ b/lib/retry.ts\n@@ -5,2 +5,3 @@\n   }\n }\n+// end\n--- /dev/null\n+++ b/lib/new.ts\n@@ -0,0 +1 @@\n+new\n';
  agent.script('read and change', [
    {
      toolCalls: [
        call('read_file', { path: 'lib/retry.ts' }),
        call('read_file', { path: 'lib/retry.ts', firstLine: 2, lines: 2 }),
        call('read_file', { path: 'lib/retry.ts', firstLine: 6 }),
        call('read_file', { path: 'lib/retry.ts', firstLine: 7 }),
        call('read_file', { path: 'unended' }),
      ],
    },
    {
      toolCalls: [
        call('edit_file', { path: 'lib/retry.ts', find: '2 ** attempt', replace: '3 ** attempt' }),
        call('apply_patch', { patch }),
        call('write_file', { path: 'lib/retry.ts', content: 'short\n' }),
        call('write_file', { path: 'lib/retry.ts', content: 'short\n' }),
      ],
    },
    { content: 'Done.' },
  ]);
  const sessionId = await agent.openSession('Reads and writes');
  await agent.api.make(`/v1/sessions/${sessionId}/commands?waitSeconds=280`, {
    command: `printf 'a\\r\\nb' > unended`,
  });
  const turnId = await agent.send(sessionId, 'read and change');
  expect((await agent.awaitEnd(sessionId, turnId)).data).toMatchObject({ outcome: 'completed' });
  const events = await turnEvents(sessionId, turnId);
  const blobOf = (text: string) =>
    createHash('sha1')
      .update(`blob ${Buffer.byteLength(text)}\0${text}`)
      .digest('hex');
  const read = (index: number, path: string, whole: string, offset: number, end: number) => {
    const bytes = Buffer.from(whole).subarray(offset, end);
    const toolCallId = `${turnId}-1-${index}`;
    return {
      path,
      offset,
      length: bytes.length,
      sha256: sha256(bytes),
      source: 'tool',
      blob: blobOf(whole),
      toolCallId,
    };
  };
  const size = Buffer.byteLength(retry);
  const beginOf = (line: number) =>
    Buffer.byteLength(
      retry
        .split(/(?<=\n)/)
        .slice(0, line - 1)
        .join(''),
    );
  expect(events.filter(({ type }) => type === 'file.read').map(({ data }) => data)).toEqual([
    read(0, 'lib/retry.ts', retry, 0, size),
    read(1, 'lib/retry.ts', retry, beginOf(2), beginOf(4)),
    read(2, 'lib/retry.ts', retry, beginOf(6), size),
    read(3, 'lib/retry.ts', retry, size, size),
    read(4, 'unended', 'a\r\nb', 0, 4),
  ]);

  const changes = events.filter(({ type }) => type === 'files.changed').map(({ data }) => data as any);
  expect(
    changes.map(({ source, files }) => [source, ...files.map((file: any) => [file.path, file.oldBlob, file.newBlob])]),
  ).toEqual([
    ['tool', ['lib/retry.ts', blobOf(retry), blobOf(edited)]],
    ['tool', ['lib/retry.ts', blobOf(edited), blobOf(`${edited}// end\n`)], ['lib/new.ts', '', blobOf('new\n')]],
    ['tool', ['lib/retry.ts', blobOf(`${edited}// end\n`), blobOf('short\n')]],
  ]);
  expect(changes.map(({ toolCallId }) => toolCallId)).toEqual([0, 1, 2].map((index) => `${turnId}-2-${index}`));
  // The next checkpoint has the blob that the use of a tool has made.
  await agent.api.make(`/v1/sessions/${sessionId}/checkpoints`, { label: 'after' });
  const told = (await readHistory(agent.api, sessionId)).findLast(
    ({ type, data }) => type === 'files.changed' && data['source'] === 'checkpoint',
  )!;
  expect((told.data as any).files.find(({ path }: any) => path === 'lib/new.ts')).toMatchObject({
    newBlob: blobOf('new\n'),
  });
});
