import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { SessionDocument, SessionState } from '@worktrail/contract/documents';
import type { OpenSandboxInput, RunCommandInput } from '@worktrail/contract/sandbox-activities';
import { sessionKey } from '@worktrail/contract/subjects';
import { createProducer, recoverProducer } from '@worktrail/runtime/event-producer';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { endedPayload } from '../commands/command-events.ts';
import {
  activityRun,
  type BenchRunner,
  log,
  newCommand,
  newSession,
  outputOf,
  type RunnerBench,
  startRunnerBench,
} from '../runner-bench.ts';
import { StaleGeneration } from '../sessions/session-failure.ts';
import { removeStaleSessions } from './stale-sessions.ts';

let bench: RunnerBench;
let other: BenchRunner;
beforeAll(async () => {
  bench = await startRunnerBench('fencing');
  other = await bench.addRunner();
});
afterAll(() => bench.close());

const { signal } = new AbortController();

async function document(
  { organizationId, sessionId }: OpenSandboxInput,
  generation: number,
  filesGeneration: number,
  state: SessionState = 'ready',
): Promise<void> {
  const told: Partial<SessionDocument> = { version: 1, id: sessionId, generation, filesGeneration, state };
  await bench.sessions.put(sessionKey(organizationId, sessionId), JSON.stringify(told));
}

const sweep = (runner: BenchRunner = bench) =>
  removeStaleSessions({ ...runner.parts(), sessions: bench.sessions, log }, signal);

const left = (session: OpenSandboxInput, runner: BenchRunner = bench) => runner.left(session);
const all = ['container', 'volume', 'volume', 'directory'];

/** As the workflow does that places a session anew. */
async function endAsHostLost(command: RunCommandInput): Promise<void> {
  const js = jetstream(bench.connection);
  const jsm = await jetstreamManager(bench.connection);
  const trace = { getProducerMark: () => Promise.reject(new Error('the subject is not empty')) };
  const deps = { js, jsm, log, trace };
  const ref = { ...command, generation: command.generation + 1, producer: command.command.id, signal };
  const state = await recoverProducer(deps, ref);
  const { stdoutOffset: stdoutBytes, stderrOffset: stderrBytes } = state;
  const lost = { outcome: 'host_lost', reason: 'the host is lost', exitCode: null, signal: null } as const;
  const endedMs = Date.now();
  await createProducer(deps, ref, state).append({
    time: new Date(endedMs),
    actor: { kind: 'system', id: 'orchestrator' },
    commandId: command.command.id,
    payload: endedPayload({ result: { ...lost, stdoutBytes, stderrBytes }, endedMs }),
  });
}

test('a runner that comes back publishes nothing after a newer generation ended its command, and takes away what it had', async () => {
  const session = newSession(bench);
  const { baseCommit } = await bench.parts().sandboxes.open(session, signal);
  const command = newCommand(
    session,
    'echo before; until [ -e /workspace/go ]; do sleep 0.02; done; echo late; sleep 600',
  );
  const running = bench.parts().commands.run(command, activityRun());
  await expect.poll(async () => outputOf(await bench.events(command)).toString()).toBe('before\n');

  await endAsHostLost(command);
  const second = {
    ...session,
    generation: 2,
    filesGeneration: 1,
    restore: { baseCommit, checkpoint: null, bundles: [], archive: null },
  };
  expect(await other.parts().sandboxes.open(second, signal)).toMatchObject({ from: 'new' });
  await document(session, 2, 2);

  const [workspace] = (await bench.parts().driver.listVolumes(session.sessionId)).filter(({ name }) =>
    name.endsWith('workspace'),
  );
  await writeFile(join((await bench.parts().driver.findVolume(workspace!.name))!, 'go'), '');
  expect(await running).toMatchObject({ outcome: 'host_lost' });
  const events = await bench.events(command);
  expect(outputOf(events).toString()).toBe('before\n');
  expect(events.at(-1)?.payload.case).toBe('commandEnded');

  expect(await left(session)).toEqual(all);
  await sweep();
  expect(await left(session)).toEqual([]);
  await sweep(other);
  expect(await left(session, other)).toEqual(all);
  expect(await bench.events(command)).toHaveLength(events.length);
});

test('a command that is followed while its container is fenced ends with what the newer generation wrote', async () => {
  const session = newSession(bench);
  await bench.parts().sandboxes.open(session, signal);
  const command = newCommand(session, 'echo before; sleep 600');
  const running = bench.parts().commands.run(command, activityRun());
  await expect.poll(async () => outputOf(await bench.events(command)).toString()).toBe('before\n');
  await endAsHostLost(command);
  await document(session, 2, 1, 'resuming');
  await sweep();
  expect(await running).toMatchObject({ outcome: 'host_lost' });
  expect((await bench.events(command)).filter(({ payload }) => payload.case === 'commandEnded')).toHaveLength(1);
  // The files may be the only ones until they were open elsewhere.
  expect(await left(session)).toEqual(['volume', 'volume', 'directory']);
  expect(await bench.parts().sandboxes.open({ ...session, generation: 2, filesGeneration: 1 }, signal)).toMatchObject({
    from: 'volume',
  });
  await expect(bench.parts().sandboxes.attach(session)).rejects.toThrow(StaleGeneration);
});

test('nothing is taken away of a session whose document is as old, older, missing or tells of a failure', async () => {
  const session = newSession(bench, { generation: 3 });
  await bench.parts().sandboxes.open(session, signal);
  await sweep();
  for (const [generation, state] of [
    [3, 'busy'],
    [2, 'ready'],
    [4, 'failed'],
  ] as const) {
    await document(session, generation, generation, state);
    await sweep();
  }
  expect(await left(session)).toEqual(all);
  await document(session, 3, 3, 'archived');
  await sweep();
  expect(await left(session)).toEqual([]);
});

test('a session that is being opened is left alone', async () => {
  const session = newSession(bench);
  await document(session, 5, 5);
  const opening = bench.parts().sandboxes.open(session, signal);
  await expect.poll(() => left(session), { interval: 1 }).toContain('directory');
  await sweep();
  await opening;
  expect(await left(session)).toEqual(all);
  await sweep();
  expect(await left(session)).toEqual([]);
});
