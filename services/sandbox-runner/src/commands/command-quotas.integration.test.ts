import { newId } from '@worktrail/contract/ids';
import type { OpenSandboxInput, RunCommandInput } from '@worktrail/contract/sandbox-activities';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { activityRun, newCommand, newSession, type RunnerBench, startRunnerBench } from '../runner-bench.ts';

let bench: RunnerBench;
const organizationId = newId('organization');
let session: OpenSandboxInput;
let other: OpenSandboxInput;
beforeAll(async () => {
  const runningCommands = { perOrganizationMax: 1, perProjectMax: null };
  bench = await startRunnerBench('command-quotas', 'fifo', { runningCommands });
  session = newSession(bench, { organizationId });
  other = newSession(bench);
  const { signal } = new AbortController();
  for (const one of [session, other]) await bench.parts().sandboxes.open(one, signal);
});
afterAll(() => bench.close());

const run = (command: RunCommandInput) => {
  const result = bench.parts().commands.run(command, activityRun());
  result.catch(() => undefined);
  return result;
};
const types = async (command: RunCommandInput) => (await bench.events(command)).map(({ payload }) => payload.case);
const until = (name: string) => newCommand(session, `until [ -e ${name} ]; do sleep 0.05; done`);

test('a command beyond the quota of its organization is in the history as queued and starts when another has ended', async () => {
  const first = until('go-1');
  const running = run(first);
  await expect.poll(() => types(first)).toContain('commandStarted');
  const second = newCommand(session, 'echo second');
  const waiting = run(second);
  await expect.poll(() => types(second)).toEqual(['commandQueued']);
  expect(await run(newCommand(other, 'echo of another organization'))).toMatchObject({ outcome: 'exited' });
  expect(await types(second)).toEqual(['commandQueued']);
  bench.parts().commands.find(first.command.id)!.cancel({ graceMs: 0, reason: 'enough' });
  expect(await running).toMatchObject({ outcome: 'canceled' });
  expect(await waiting).toMatchObject({ outcome: 'exited', stdoutBytes: 7 });
});

test('a command that waits for its turn is canceled at once, with the reason, and never starts', async () => {
  const first = until('go-2');
  const running = run(first);
  await expect.poll(() => types(first)).toContain('commandStarted');
  const second = newCommand(session, 'touch was-run');
  const waiting = run(second);
  await expect.poll(() => types(second)).toEqual(['commandQueued']);
  bench.parts().commands.find(second.command.id)!.cancel({ graceMs: 60_000, reason: 'not wanted any more' });
  expect(await waiting).toMatchObject({ outcome: 'canceled', reason: 'not wanted any more' });
  expect(await types(second)).toEqual(['commandQueued', 'commandEnded']);
  bench.parts().commands.find(first.command.id)!.cancel({ graceMs: 0, reason: 'enough' });
  expect(await running).toMatchObject({ outcome: 'canceled' });
  expect(await run(newCommand(session, '[ ! -e was-run ]'))).toMatchObject({ exitCode: 0 });
});

test('after a restart of the runner what ran counts, and what waited waits, each once in the history', async () => {
  const first = until('go-3');
  void run(first);
  await expect.poll(() => types(first)).toContain('commandStarted');
  const second = newCommand(session, 'true');
  void run(second);
  await expect.poll(() => types(second)).toEqual(['commandQueued']);
  await bench.restart();
  const running = run(first);
  await expect.poll(() => bench.parts().commands.find(first.command.id)?.sandbox(1)).toBeDefined();
  const waiting = run(second);
  expect(await run(newCommand(other, 'true'))).toMatchObject({ exitCode: 0 });
  expect(await types(second)).toEqual(['commandQueued']);
  bench.parts().commands.find(first.command.id)!.cancel({ graceMs: 0, reason: 'enough' });
  expect(await running).toMatchObject({ outcome: 'canceled' });
  expect(await waiting).toMatchObject({ exitCode: 0 });
  expect(await types(second)).toEqual(['commandQueued', 'commandStarted', 'commandEnded']);
});

test('what waits in a sandbox that is taken down is given back as not started', async () => {
  const first = until('go-4');
  void run(first);
  await expect.poll(() => types(first)).toContain('commandStarted');
  const second = newCommand(session, 'true');
  const waiting = run(second);
  await expect.poll(() => types(second)).toEqual(['commandQueued']);
  await bench.parts().sandboxes.stop(session.sessionId);
  await expect(waiting).rejects.toThrow();
  await expect(run(second)).rejects.toMatchObject({ name: 'SandboxGone' });
  expect(await types(second)).toEqual(['commandQueued']);
});
