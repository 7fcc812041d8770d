import { join } from 'node:path';
import { beforeAll, expect, inject, test } from 'vitest';
import { createApi, outputOf, readHistory } from './api.ts';
import { makeRepository } from './repository.ts';

const api = createApi(inject('apiUrl'), inject('apiKey'));
let projectId: string;
let baseCommit: string;

beforeAll(async () => {
  const repository = await makeRepository(join(inject('repositoryRoot'), 'side-by-side'), 1_200);
  baseCommit = repository.commit;
  projectId = (await api.make('/v1/projects', { name: 'side by side', repository: { url: repository.path } })).id;
});

test('twenty sessions created at once work on their own branches and never see each other', async () => {
  const sessions = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      api.make(`/v1/projects/${projectId}/sessions?waitSeconds=280`, { title: `Number ${i}` }),
    ),
  );
  for (const session of sessions) {
    expect(session).toMatchObject({ state: 'ready', baseCommit, headCommit: baseCommit, projectId });
  }
  expect(new Set(sessions.map((session) => session.branch)).size).toBe(20);

  const script = (i: number) =>
    `echo "written by ${i}" > mine-${i}.txt && ls mine-*.txt && git branch --show-current && git status --porcelain | wc -l && ls src | wc -l`;
  const commands = await Promise.all(
    sessions.map((session, i) =>
      api.make(`/v1/sessions/${session.id}/commands?waitSeconds=280`, { command: script(i), stdin: '' }),
    ),
  );
  for (const [i, command] of commands.entries()) {
    expect(command).toMatchObject({ state: 'ended', outcome: 'exited', exitCode: 0 });
    expect(command.output.text).toBe(`mine-${i}.txt\n${sessions[i].branch}\n1\n40\n`);
  }

  for (const [i, session] of sessions.entries()) {
    const events = await readHistory(api, session.id, 3);
    const types = events.map((event) => event.type);
    expect(types[0]).toBe('session.created');
    expect(types.filter((type) => type === 'session.created')).toHaveLength(1);
    expect(types).toContain('session.ready');
    const ofCommand = events.filter((event) => event.commandId === commands[i].id).map((event) => event.type);
    expect(ofCommand[0]).toBe('command.queued');
    expect(ofCommand[1]).toBe('command.started');
    // A checkpoint of what it has changed may be there already.
    expect(ofCommand.findLast((type) => type.startsWith('command.'))).toBe('command.ended');
    expect(events.every((event) => event.sessionId === session.id)).toBe(true);
    expect(new Set(events.map((event) => event.cursor)).size).toBe(events.length);
    expect(outputOf(events, commands[i].id, 'stdout').toString()).toBe(commands[i].output.text);
  }
});

test('a session that was made is in the list at once, newest first, and its pages join', async () => {
  const made = await api.make(`/v1/projects/${projectId}/sessions`, { title: 'Listed', labels: { team: 'a' } });
  const first = await api.get(`/v1/projects/${projectId}/sessions?limit=7`);
  expect(first.body.items[0]).toMatchObject({ id: made.id, title: 'Listed', labels: { team: 'a' } });
  const ids: string[] = [];
  for (let cursor = ''; ; ) {
    const page = await api.get(`/v1/sessions?projectId=${projectId}&limit=7${cursor && `&cursor=${cursor}`}`);
    ids.push(...page.body.items.map((session: { id: string }) => session.id));
    if (page.body.nextCursor === null) break;
    cursor = page.body.nextCursor;
  }
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids).toHaveLength(21);
});

test('an archived session keeps its history and takes no more commands', async () => {
  const session = await api.make(`/v1/projects/${projectId}/sessions?waitSeconds=280`, { title: 'Short life' });
  const answer = await api.post(`/v1/sessions/${session.id}/archive`);
  expect(answer.status).toBe(200);
  expect(answer.body.state).toBe('archived');
  expect((await api.get(`/v1/sessions/${session.id}`)).body.state).toBe('archived');
  const refused = await api.post(`/v1/sessions/${session.id}/commands`, { command: 'true' });
  expect([refused.status, refused.body.code]).toEqual([409, 'session_archived']);
  expect((await readHistory(api, session.id)).at(-1)?.type).toBe('session.archived');
});
