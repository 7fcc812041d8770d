// The agent's tools on files in a real sandbox: what a runner that dies in the middle leaves is finished by the next one, once.

import type { FileToolUse } from '@worktrail/contract/agent-tools';
import { newId } from '@worktrail/contract/ids';
import type { UseFilesInput } from '@worktrail/contract/sandbox-activities';
import { createProducer, type ProducerDeps } from '@worktrail/runtime/event-producer';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CheckpointBench, createCheckpointBench, type TriedSession } from '../checkpoints/checkpoint-bench.ts';
import { createFileChanges } from '../files/file-change.ts';
import { createLiveFiles } from '../files/live-files.ts';
import { type RunnerBench, startRunnerBench } from '../runner-bench.ts';
import { createFileTools } from './file-tools.ts';

let bench: RunnerBench;
let tried: CheckpointBench;
let session: TriedSession;
beforeAll(async () => {
  bench = await startRunnerBench('file-tools');
  tried = createCheckpointBench(bench);
  session = await tried.open();
}, 60_000);
afterAll(() => bench.close(), 60_000);

const { signal } = new AbortController();

/** A use of a tool that was begun. */
async function begun(use: FileToolUse): Promise<UseFilesInput> {
  const turnId = newId('turn');
  const toolCallId = `${turnId}-1-0`;
  const actor = { kind: 'agent' as const, id: 'scripted' };
  const payload = { case: 'toolStarted' as const, value: { toolCallId, tool: use.tool, inputJson: '{}' } };
  const producer = createProducer(bench.publishing, { ...session.input, producer: toolCallId, signal });
  await producer.append({ time: new Date(), actor, turnId, payload });
  return { ...session.input, turnId, toolCallId, agent: 'scripted', use };
}

async function use(input: UseFilesInput, events: ProducerDeps = bench.publishing, until = signal) {
  const changes = createFileChanges({ artifacts: tried.artifacts });
  const tools = createFileTools({ live: createLiveFiles(), changes, events, clock: Date.now });
  return await tools.use(await session.sandbox(), input, until);
}

/** A runner that dies when it publishes its `publish`th event: before it is stored, or after. */
async function useAndDie(input: UseFilesInput, publish: number, when: 'before' | 'after'): Promise<void> {
  const death = new AbortController();
  let published = 0;
  const js = Object.create(bench.publishing.js) as ProducerDeps['js'];
  js.publish = async (...args: Parameters<ProducerDeps['js']['publish']>) => {
    published += 1;
    if (published === publish && when === 'after') await bench.publishing.js.publish(...args);
    if (published === publish) death.abort(new Error('killed'));
    death.signal.throwIfAborted();
    return await bench.publishing.js.publish(...args);
  };
  await use(input, { ...bench.publishing, js }, death.signal).catch(() => undefined);
  expect(death.signal.aborted).toBe(true);
}

async function told(input: UseFilesInput) {
  const events = await bench.eventsOf(session.input, input.toolCallId);
  return events.map(({ payload: { case: type, value } }) => {
    if (type === 'toolEnded') return `${type} ${(value as { failed: boolean }).failed}`;
    return type;
  });
}

const deaths = [1, 2].flatMap((publish) => (['before', 'after'] as const).map((when) => [when, publish] as const));

test.each(deaths)(
  'an edit is made once where the runner dies %s it has stored event %i of it',
  async (when, publish) => {
    const path = `edited-${when}-${publish}`;
    await session.run(`printf 'begin\\nend\\n' > ${path}`);
    const input = await begun({ tool: 'edit_file', path, find: 'end\n', replace: 'edited\nend\n', all: false });
    await useAndDie(input, publish, when);
    expect(await use(input)).toEqual({ changed: true });
    expect(await session.run(`cat ${path}; ls -A | grep worktrail-`)).toBe('begin\nedited\nend\n');
    expect(await told(input)).toEqual(['toolStarted', 'filesChanged', 'toolEnded false']);
  },
);

test('what its user has written since an edit was told stays, where only the answer was lost', async () => {
  await session.run(`printf 'begin\\nend\\n' > kept`);
  const input = await begun({ tool: 'write_file', path: 'kept', content: 'by the agent\n' });
  await use(input);
  await session.run('echo "by the user" > kept');
  await use(input);
  expect(await session.run('cat kept')).toBe('by the user\n');
});

test('a file that is gone after it was told what was read still has an end told', async () => {
  await session.run('echo one > read');
  const input = await begun({ tool: 'read_file', path: 'read', firstLine: 1, lines: 10 });
  await useAndDie(input, 1, 'after');
  await session.run('rm read');
  await use(input);
  expect(await told(input)).toEqual(['toolStarted', 'fileRead', 'toolEnded true']);
});
