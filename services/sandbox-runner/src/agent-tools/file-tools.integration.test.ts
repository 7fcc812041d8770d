// The tools of the agent that act on files, in a real sandbox, whoever died in between.

import type { JetStreamClient } from '@nats-io/jetstream';
import type { FileToolUse } from '@worktrail/contract/agent-tools';
import { newId } from '@worktrail/contract/ids';
import type { Event } from '@worktrail/proto/event';
import { createProducer } from '@worktrail/runtime/event-producer';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createCheckpointBench, type TriedSession } from '../checkpoints/checkpoint-bench.ts';
import { createFileChanges, type FileChanges } from '../files/file-change.ts';
import { createLiveFiles } from '../files/live-files.ts';
import { type RunnerBench, startRunnerBench } from '../runner-bench.ts';
import { createFileTools } from './file-tools.ts';

let bench: RunnerBench;
let session: TriedSession;
let changes: FileChanges;
beforeAll(async () => {
  bench = await startRunnerBench('file-tools');
  const tried = createCheckpointBench(bench);
  changes = createFileChanges({ artifacts: tried.artifacts });
  session = await tried.open();
});
afterAll(() => bench.close());

/** Where an attempt dies: at its n-th change of a file or its n-th event, before it is done or after. */
interface Death {
  at: 'change' | 'event';
  n: number;
  isDone: boolean;
}

/**
 * Uses a tool by one attempt after the other, each of which dies but the last; the events of it. `meanwhile`: before the last.
 * `cancelAtChange`: it is canceled then.
 */
async function used(
  asked: FileToolUse,
  deaths: readonly Death[],
  {
    meanwhile = async () => undefined,
    canceled = new AbortController(),
    cancelAtChange = 0,
  }: { meanwhile?: () => Promise<unknown>; canceled?: AbortController; cancelAtChange?: number } = {},
): Promise<Event[]> {
  const toolCallId = `${newId('turn')}-1-0`;
  const input = {
    ...session.input,
    turnId: newId('turn'),
    toolCallId,
    agent: 'custom/scripted',
    secrets: ['token'],
    use: asked,
  };
  const where = { ...session.input, producer: toolCallId, signal: new AbortController().signal };
  await createProducer(bench.publishing, where).append({
    time: new Date(),
    actor: { kind: 'agent', id: 'custom/scripted' },
    payload: { case: 'toolStarted', value: { toolCallId, tool: asked.tool } },
  });
  for (const death of deaths) await attempt(death);
  await meanwhile();
  await attempt(undefined);
  return await bench.eventsOf(session.input, toolCallId);

  async function attempt(death: Death | undefined): Promise<void> {
    const life = new AbortController();
    const counts = { change: 0, event: 0 };
    const dying = async <T>(at: Death['at'], work: () => Promise<T>): Promise<T> => {
      counts[at] += 1;
      const isTime = death?.at === at && death.n === counts[at];
      if (isTime && !death.isDone) life.abort(new Error('died'));
      life.signal.throwIfAborted();
      const done = await work();
      if (isTime) life.abort(new Error('died'));
      life.signal.throwIfAborted();
      return done;
    };
    const { js } = bench.publishing;
    const mortal = new Proxy(js, {
      get: (target, name) =>
        name === 'publish'
          ? (...args: Parameters<JetStreamClient['publish']>) => dying('event', () => target.publish(...args))
          : (Reflect.get(target, name) as unknown),
    });
    const tools = createFileTools({
      live: createLiveFiles(),
      changes: {
        ...changes,
        changeTo: (...args) => {
          if (counts.change + 1 === cancelAtChange) canceled.abort(new Error('canceled'));
          return dying('change', () => changes.changeTo(...args));
        },
      },
      events: { ...bench.publishing, js: mortal },
      readSecret: async (_, name) => (name === 'token' ? 's3cret-value' : undefined),
      clock: Date.now,
    });
    const use = tools.use(await session.sandbox(), input, { signal: life.signal, canceled: canceled.signal });
    if (!death) return void (await use);
    await use.catch(() => undefined);
    expect(life.signal.aborted).toBe(true);
  }
}

const everywhere: Death[] = [
  { at: 'change', n: 1, isDone: false },
  { at: 'change', n: 1, isDone: true },
  { at: 'event', n: 1, isDone: false },
  { at: 'event', n: 1, isDone: true },
  { at: 'event', n: 1, isDone: true },
];

test('an edit is made once and told once, wherever attempts die', async () => {
  await session.run('printf "one\\ntwo\\n" > edited');
  const before = (await session.run('git hash-object edited')).trim();
  const events = await used(
    { tool: 'edit_file', path: 'edited', find: 'two', replace: 'two\ntwo', all: false },
    everywhere,
  );
  expect(await session.run('cat edited')).toBe('one\ntwo\ntwo\n');
  expect(events.map(({ payload }) => payload.case)).toEqual(['toolStarted', 'filesChanged', 'toolEnded']);
  const after = (await session.run('git hash-object edited')).trim();
  expect(events[1]!.payload.value).toMatchObject({
    source: 'tool',
    files: [{ path: 'edited', status: 'modified', oldBlob: before, newBlob: after }],
  });
  expect(events[2]!.payload.value).toMatchObject({ failed: false });
});

test('a file is written whole, with what it was and is told by its blobs', async () => {
  const events = await used({ tool: 'write_file', path: 'written', content: 'one\n' }, everywhere);
  expect(await session.run('cat written')).toBe('one\n');
  const blob = (await session.run('git hash-object written')).trim();
  expect(events[1]!.payload.value).toMatchObject({
    files: [{ path: 'written', status: 'added', oldBlob: '', newBlob: blob }],
  });
  const again = await used({ tool: 'write_file', path: 'written', content: 'two\nthree\n' }, []);
  expect(again[1]!.payload.value).toMatchObject({
    files: [{ path: 'written', status: 'modified', oldBlob: blob, additions: 2n, deletions: 1n }],
  });
});

test('a patch over several files is applied once, wherever attempts die', async () => {
  await session.run('printf "a\\n" > first; printf "b\\n" > second');
  const part = (path: string, from: string, to: string) =>
    `--- a/${path}\n+++ b/${path}\n@@ -1 +1 @@\n-${from}\n+${to}\n`;
  const events = await used({ tool: 'apply_patch', patch: part('first', 'a', 'aa') + part('second', 'b', 'bb') }, [
    { at: 'change', n: 2, isDone: false },
    { at: 'change', n: 1, isDone: true },
    ...everywhere.slice(2),
  ]);
  expect(await session.run('cat first second')).toBe('aa\nbb\n');
  expect(events.map(({ payload }) => payload.case)).toEqual(['toolStarted', 'filesChanged', 'toolEnded']);
  expect(events[1]!.payload.value).toMatchObject({
    files: [
      { path: 'first', status: 'modified', additions: 1n, deletions: 1n },
      { path: 'second', status: 'modified' },
    ],
  });
  expect(events[2]!.payload.value).toMatchObject({ failed: false });
});

test('of a patch of which a part cannot be written what was written before is told, wherever attempts die', async () => {
  await session.run('printf "a\\n" > third; echo > barrier');
  const patch = '--- a/third\n+++ b/third\n@@ -1 +1 @@\n-a\n+aa\n--- /dev/null\n+++ b/barrier/new\n@@ -0,0 +1 @@\n+x\n';
  const events = await used({ tool: 'apply_patch', patch }, [
    { at: 'change', n: 1, isDone: true },
    { at: 'event', n: 1, isDone: true },
  ]);
  expect(await session.run('cat third')).toBe('aa\n');
  expect(events.map(({ payload }) => payload.case)).toEqual(['toolStarted', 'filesChanged', 'toolEnded']);
  expect(events[1]!.payload.value).toMatchObject({ files: [{ path: 'third', status: 'modified' }] });
  expect(events[2]!.payload.value).toMatchObject({ failed: true, outputJson: expect.stringContaining('third') });
});

test('the value of a secret that is in a file is told as the output of a command would tell it', async () => {
  await session.run('echo token=s3cret-value > .npmrc');
  const read = await used({ tool: 'read_file', path: '.npmrc', firstLine: 1, lines: 10 }, []);
  const found = await used({ tool: 'search_text', pattern: 'token', path: '.npmrc', isRegex: false }, []);
  for (const events of [read, found]) {
    const { outputJson } = events.at(-1)!.payload.value as { outputJson: string };
    expect([outputJson.includes('s3cret'), outputJson.includes(`token=${'*'.repeat(12)}`)]).toEqual([false, true]);
  }
});

test('what the agent asks for and is not there is told to it, once', async () => {
  const events = await used({ tool: 'edit_file', path: 'edited', find: 'never', replace: '', all: false }, [
    { at: 'event', n: 1, isDone: true },
  ]);
  expect(events.map(({ payload }) => payload.case)).toEqual(['toolStarted', 'toolEnded']);
  expect(events[1]!.payload.value).toMatchObject({ failed: true });
});

test('a file that is gone once it was told what was read of it still has an end told', async () => {
  await session.run('echo one > read');
  const events = await used(
    { tool: 'read_file', path: 'read', firstLine: 1, lines: 10 },
    [{ at: 'event', n: 1, isDone: true }],
    { meanwhile: () => session.run('rm read') },
  );
  expect(events.map(({ payload }) => payload.case)).toEqual(['toolStarted', 'fileRead', 'toolEnded']);
  expect(events[2]!.payload.value).toMatchObject({ failed: true });
});

test('a use that is canceled before it writes leaves nothing, one that writes already is finished and told', async () => {
  await session.run('printf "a\\n" > left; printf "b\\n" > right');
  const part = (path: string, from: string, to: string) =>
    `--- a/${path}\n+++ b/${path}\n@@ -1 +1 @@\n-${from}\n+${to}\n`;
  const patch = part('left', 'a', 'aa') + part('right', 'b', 'bb');
  const canceled = new AbortController();
  canceled.abort(new Error('canceled'));
  await expect(used({ tool: 'apply_patch', patch }, [], { canceled })).rejects.toThrow('canceled');
  await expect(used({ tool: 'read_file', path: 'left', firstLine: 1, lines: 1 }, [], { canceled })).rejects.toThrow();
  expect(await session.run('cat left right')).toBe('a\nb\n');
  const events = await used({ tool: 'apply_patch', patch }, [], { cancelAtChange: 1 });
  expect(await session.run('cat left right')).toBe('aa\nbb\n');
  expect(events.map(({ payload }) => payload.case)).toEqual(['toolStarted', 'filesChanged', 'toolEnded']);
});
