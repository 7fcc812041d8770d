import { createHash, randomBytes } from 'node:crypto';
import { appendFile, cp, mkdir, readdir, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { OpenSandboxInput, RunCommandInput } from '@worktrail/contract/sandbox-activities';
import { secretKey } from '@worktrail/contract/subjects';
import { CommandOutcome, type Event } from '@worktrail/proto/event';
import { createProducer } from '@worktrail/runtime/event-producer';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { queuedPayload } from './command-events.ts';
import { SandboxGone } from './command-execution.ts';
import { Detached } from './live-commands.ts';
import { RunnerDraining } from '../sandboxes/sandboxes.ts';
import {
  activityRun,
  log,
  newCommand,
  newSession,
  outputOf,
  plainEnvironment,
  type RunnerBench,
  startRunnerBench,
} from '../runner-bench.ts';

let bench: RunnerBench;
let session: OpenSandboxInput;
const { signal } = new AbortController();

beforeAll(async () => {
  bench = await startRunnerBench('commands');
  session = newSession(bench);
  await bench.parts().sandboxes.open(session, signal);
});
afterAll(() => bench.close());

const run = (input: RunCommandInput) => bench.parts().commands.run(input, activityRun());

async function untilEvent(input: RunCommandInput, found: (events: Event[]) => boolean): Promise<void> {
  while (!found(await bench.events(input))) await delay(20);
}

const hasOutput = (events: Event[]) => events.some((event) => event.payload.case === 'commandOutput');

test('twenty million bytes of output are in the history byte for byte', async () => {
  const command = newCommand(session, 'head -c 20000000 /dev/urandom | tee /tmp/bytes; sha256sum /tmp/bytes >&2');
  const result = await run(command);
  expect(result).toMatchObject({ outcome: 'exited', exitCode: 0, stdoutBytes: 20_000_000 });
  const output = outputOf(await bench.events(command));
  const sum = createHash('sha256').update(output.subarray(0, 20_000_000)).digest('hex');
  expect(output.subarray(20_000_000).toString()).toBe(`${sum}  /tmp/bytes\n`);
});

test('a command that fails tells its exit code, and one that is killed its signal', async () => {
  expect(await run(newCommand(session, 'exit 7'))).toMatchObject({ outcome: 'exited', exitCode: 7, signal: null });
  const killed = await run(newCommand(session, 'kill -TERM $$'));
  expect(killed).toMatchObject({ outcome: 'signaled', exitCode: null, signal: 'SIGTERM' });
});

test('a command over its time limit ends timed out with the output so far', async () => {
  const command = newCommand(session, 'echo before; sleep 60', { timeoutSeconds: 5 });
  expect(await run(command)).toMatchObject({ outcome: 'timed_out' });
  expect(outputOf(await bench.events(command)).toString()).toBe('before\n');
});

test('input given with the command is read to its end', async () => {
  const text = randomBytes(40_000).toString('hex').slice(0, 65_536);
  const command = newCommand(session, 'cat', { stdin: text });
  expect(await run(command)).toMatchObject({ outcome: 'exited', stdoutBytes: 65_536 });
  expect(outputOf(await bench.events(command)).toString()).toBe(text);
});

test('a directory outside of the work tree is refused as a place to run in', async () => {
  const result = await run(newCommand(session, 'pwd', { cwd: '../etc' }));
  expect(result.outcome).toBe('failed_to_start');
  expect(result.reason).not.toBeNull();
});

test('a command of 128 KiB runs', async () => {
  const text = 'ä'.repeat(65_530);
  const command = `echo ${text}`.padEnd(128 * 1024 - 65_530, ' ');
  expect(Buffer.byteLength(command)).toBe(128 * 1024);
  const input = newCommand(session, command);
  expect(await run(input)).toMatchObject({ outcome: 'exited', exitCode: 0 });
  expect(outputOf(await bench.events(input)).toString()).toBe(`${text}\n`);
});

test('a command that is asked for again with the reason of its cancel ends with that', async () => {
  const command = newCommand(session, 'echo ready; sleep 60');
  const result = run(command);
  await untilEvent(command, hasOutput);
  expect(await run({ ...command, cancelReason: 'asked' })).toMatchObject({ outcome: 'canceled', reason: 'asked' });
  expect(await result).toMatchObject({ outcome: 'canceled' });
});

test('an attempt that times out lets go of the command, and the next one gets its result', async () => {
  const command = newCommand(session, 'echo ready; while [ ! -e go ]; do sleep 0.02; done; echo gone on');
  const controller = new AbortController();
  const first = bench.parts().commands.run(command, activityRun({ signal: controller.signal }));
  await untilEvent(command, hasOutput);
  controller.abort();
  await expect(first).rejects.toThrow(Detached);
  const second = run(command);
  await run(newCommand(session, 'touch go', { background: true }));
  expect(await second).toMatchObject({ outcome: 'exited', exitCode: 0 });
  expect(outputOf(await bench.events(command)).toString()).toBe('ready\ngone on\n');
});

test('a command goes on while its runner is killed, and its history has every byte once', async () => {
  const command = newCommand(session, 'for i in $(seq 1 200); do echo "line $i"; echo "err $i" >&2; sleep 0.005; done');
  const first = run(command).catch((error: unknown) => error);
  await untilEvent(command, hasOutput);
  await bench.restart();
  await first;
  const result = await run(command);
  const events = await bench.events(command);
  expect(events.filter((event) => event.payload.case === 'commandStarted')).toHaveLength(1);
  expect(events.filter((event) => event.payload.case === 'commandEnded')).toHaveLength(1);
  const bytes = (stream: number) =>
    events
      .flatMap(({ payload }) =>
        payload.case === 'commandOutput' && payload.value.stream === stream ? [payload.value.bytes] : [],
      )
      .map((chunk) => Buffer.from(chunk).toString())
      .join('');
  const lines = (word: string) => Array.from({ length: 200 }, (_, index) => `${word} ${index + 1}\n`).join('');
  expect(bytes(1)).toBe(lines('line'));
  expect(bytes(2)).toBe(lines('err'));
  expect(result).toMatchObject({
    outcome: 'exited',
    stdoutBytes: lines('line').length,
    stderrBytes: lines('err').length,
  });
});

test('a command that ended while no runner was there has its output and its end in the history', async () => {
  const command = newCommand(session, 'echo one; sleep 0.3; echo two');
  const first = run(command).catch((error: unknown) => error);
  await untilEvent(command, hasOutput);
  await bench.restart();
  await first;
  await run(newCommand(session, 'sleep 0.5'));
  expect(await run(command)).toMatchObject({ outcome: 'exited', exitCode: 0, stdoutBytes: 8 });
  expect(outputOf(await bench.events(command)).toString()).toBe('one\ntwo\n');
});

test('while NATS is away a command goes on, and its output is published when NATS is back', async () => {
  const command = newCommand(session, 'for i in 1 2 3 4 5; do echo "tick $i"; sleep 0.1; done');
  const result = run(command);
  await untilEvent(command, hasOutput);
  await bench.nats.kill();
  await delay(300);
  await bench.nats.restart();
  expect(await result).toMatchObject({ outcome: 'exited', exitCode: 0 });
  expect(outputOf(await bench.events(command)).toString()).toBe('tick 1\ntick 2\ntick 3\ntick 4\ntick 5\n');
});

test('asked for again after its end, a command is not run again', async () => {
  const command = newCommand(session, 'echo x >> ran; wc -l < ran');
  const result = await run(command);
  expect(await run(command)).toEqual(result);
  await bench.restart();
  expect(await run(command)).toEqual(result);
  expect(outputOf(await bench.events(command)).toString()).toBe('1\n');
});

test('where the workflow has recorded that a command waits, the runner goes on from there', async () => {
  const command = { ...newCommand(session, 'echo waited'), queuedRecorded: true };
  const js = jetstream(bench.connection);
  const jsm = await jetstreamManager(bench.connection);
  const trace = { getProducerMark: () => Promise.reject(new Error('not asked')) };
  const producer = createProducer({ js, jsm, log, trace }, { ...command, producer: command.command.id, signal });
  const { id, actor, queuedAt } = command.command;
  await producer.append({ time: new Date(queuedAt), actor, commandId: id, payload: queuedPayload(command.command) });
  expect(await run(command)).toMatchObject({ outcome: 'exited' });
  const cases = (await bench.events(command)).map((event) => event.payload.case);
  expect(cases).toEqual(['commandQueued', 'commandStarted', 'commandOutput', 'commandEnded']);
});

test('a command that was canceled while no runner held it is never started', async () => {
  const command = { ...newCommand(session, 'touch never'), cancelReason: 'asked by user' };
  expect(await run(command)).toMatchObject({ outcome: 'canceled', reason: 'asked by user' });
  expect((await bench.events(command)).map((event) => event.payload.case)).toEqual(['commandQueued', 'commandEnded']);
  expect(await run(newCommand(session, 'test -e never'))).toMatchObject({ exitCode: 1 });
});

test('the value of a secret reaches the command and never the history', async () => {
  const name = 'token';
  const value = 'correct horse battery staple';
  const key = secretKey(session.projectId, name);
  const document = { name, sealed: bench.secretBox.seal(value, key), updatedAt: new Date().toISOString() };
  await bench.configuration.put(key, JSON.stringify(document));
  const environment = { ...plainEnvironment, env: { TOKEN: { secret: name } } };
  const command = { ...newCommand(session, 'echo "<$TOKEN>"; printf %s "$TOKEN" | wc -c'), environment };
  expect(await run(command)).toMatchObject({ outcome: 'exited', exitCode: 0 });
  expect(outputOf(await bench.events(command)).toString()).toBe(`<${'*'.repeat(value.length)}>\n${value.length}\n`);
});

test('a command that needs a secret which does not exist fails to start and names it', async () => {
  const environment = { ...plainEnvironment, env: { TOKEN: { secret: 'no-such' } } };
  const command = { ...newCommand(session, 'true'), environment };
  const result = await run(command);
  expect(result.outcome).toBe('failed_to_start');
  expect(result.reason).toContain('"no-such"');
  expect((await bench.events(command)).map((event) => event.payload.case)).toEqual(['commandQueued', 'commandEnded']);
});

test('later variables win: image, project, session, command', async () => {
  const environment = { ...plainEnvironment, env: { A: 'project', B: 'project', C: 'project', LANG: 'project' } };
  const command = newCommand(session, 'echo $A $B $C $LANG $WORKTRAIL_SESSION_ID', { env: { C: 'command' } });
  const input = { ...command, environment, env: { B: 'session', C: 'session' } };
  await run(input);
  const output = outputOf(await bench.events(input)).toString();
  expect(output).toBe(`project session command project ${session.sessionId}\n`);
});

test('a killed container ends its commands as lost, with what they wrote, and the sandbox reopens with its files', async () => {
  const own = newSession(bench);
  const { sandboxes, driver } = bench.parts();
  await sandboxes.open(own, signal);
  await run(newCommand(own, 'echo kept > kept.txt'));
  const command = newCommand(own, 'echo written; sleep 60');
  const result = run(command);
  await untilEvent(command, hasOutput);
  const container = (await driver.listContainers()).find((one) => one.sessionId === own.sessionId)!;
  await driver.removeContainer(container.id);
  expect(await result).toMatchObject({ outcome: 'sandbox_lost', stdoutBytes: 8 });
  const events = await bench.events(command);
  expect(outputOf(events).toString()).toBe('written\n');
  expect(events.at(-1)?.payload).toMatchObject({
    case: 'commandEnded',
    value: { outcome: CommandOutcome.SANDBOX_LOST },
  });

  const next = newCommand(own, 'cat kept.txt');
  await expect(run(next)).rejects.toThrow(SandboxGone);
  const reopened = { ...own, generation: 2, filesGeneration: 1 };
  expect(await sandboxes.open(reopened, signal)).toMatchObject({ from: 'volume' });
  expect(await run({ ...next, generation: 2 })).toMatchObject({ outcome: 'exited', exitCode: 0 });
  expect(outputOf(await bench.events(next)).toString()).toBe('kept\n');
});

const journalOf = ({ sessionId, command }: RunCommandInput) =>
  join(bench.parts().directories.at(sessionId).runPath, 'journals', command.id);

test.each([
  ['behind its output', (path: string) => appendFile(path, Buffer.alloc(200))],
  ['from its first byte on', (path: string) => writeFile(path, Buffer.alloc(200))],
])('a command whose journal is found corrupt %s ends as lost, and does not run on', async (_where, damage) => {
  const command = newCommand(session, 'echo written; sleep 4711');
  const first = run(command).catch((error: unknown) => error);
  await untilEvent(command, hasOutput);
  await bench.restart();
  await first;
  await damage(journalOf(command));
  expect(await run(command)).toMatchObject({ outcome: 'sandbox_lost', reason: 'journal_corrupt', stdoutBytes: 8 });
  const cases = (await bench.events(command)).map((event) => event.payload.case);
  expect(cases).toEqual(['commandQueued', 'commandStarted', 'commandOutput', 'commandEnded']);
  const gone = newCommand(session, 'while pgrep -fx "sleep 4711"; do sleep 0.05; done', { timeoutSeconds: 60 });
  expect(await run(gone)).toMatchObject({ outcome: 'exited' });
});

test.each(['while its sandbox is gone', 'in the sandbox that was opened since'])(
  'a started command whose journal went with the power ends as lost, asked for %s, and is not run again',
  async (when) => {
    const own = newSession(bench);
    await bench.parts().sandboxes.open(own, signal);
    const command = newCommand(own, 'echo ran >> runs; echo written; sleep 60');
    const first = run(command).catch((error: unknown) => error);
    await untilEvent(command, hasOutput);
    await bench.restart();
    await first;
    const { driver, directories, sandboxes } = bench.parts();
    const container = (await driver.listContainers()).find((one) => one.sessionId === own.sessionId)!;
    await driver.removeContainer(container.id);
    await rm(journalOf(command));
    const lost = { outcome: 'sandbox_lost', stdoutBytes: 8 };
    const reopened = { generation: 2, filesGeneration: 1 };
    if (when === 'while its sandbox is gone') {
      await rm(join(directories.at(own.sessionId).runPath, 'requests', command.command.id));
      expect(await run(command)).toMatchObject(lost);
      await sandboxes.open({ ...own, ...reopened }, signal);
    } else {
      await sandboxes.open({ ...own, ...reopened }, signal);
      expect(await run({ ...command, ...reopened })).toMatchObject(lost);
    }
    const events = await bench.events(command);
    expect(outputOf(events).toString()).toBe('written\n');
    expect(events.at(-1)?.payload.case).toBe('commandEnded');
    expect(await run({ ...newCommand(own, '[ "$(cat runs)" = ran ]'), ...reopened })).toMatchObject({ exitCode: 0 });
  },
);

test('a runner that is told to stop starts no command any more, and sees those that run to their end', async () => {
  const running = newCommand(session, 'echo ready; sleep 60');
  const result = run(running);
  await untilEvent(running, hasOutput);
  const { sandboxes, commands } = bench.parts();
  await sandboxes.drain();
  const next = newCommand(session, 'echo started >> started; cat started');
  await expect(run(next)).rejects.toThrow(RunnerDraining);
  commands.find(running.command.id)?.cancel({ graceMs: 0, reason: 'cluster_stopped' });
  expect(await result).toMatchObject({ outcome: 'canceled', reason: 'cluster_stopped' });
  await bench.restart();
  expect(await run(next)).toMatchObject({ outcome: 'exited' });
  expect(outputOf(await bench.events(next)).toString()).toBe('started\n');
});

/** A command that reads its input, which cannot be put into its place. */
async function startWithoutInput() {
  const command = newCommand(session, 'cat', { stdin: 'late' });
  const place = join(bench.parts().directories.at(session.sessionId).runPath, 'stdin', command.command.id);
  await mkdir(place);
  const result = run(command);
  await untilEvent(command, (events) => events.some((event) => event.payload.case === 'commandStarted'));
  return { command, place, result };
}

test('input that cannot be handed over at once is handed over later', async () => {
  const { command, place, result } = await startWithoutInput();
  await rmdir(place);
  expect(await result).toMatchObject({ outcome: 'exited', exitCode: 0 });
  expect(outputOf(await bench.events(command)).toString()).toBe('late');
});

test('a command that does not get its input can be canceled', async () => {
  const { command, place, result } = await startWithoutInput();
  bench.parts().commands.find(command.command.id)?.cancel({ graceMs: 0, reason: 'enough' });
  expect(await result).toMatchObject({ outcome: 'canceled', reason: 'enough' });
  await rmdir(place);
});

test('a command whose input cannot be handed over at all is canceled, and says why', async () => {
  const { place, result } = await startWithoutInput();
  expect(await result).toMatchObject({ outcome: 'canceled', reason: 'its input could not be handed over' });
  await rmdir(place);
});

/** Files of a session that belong to the command, but for its result. */
async function filesOf({ sessionId, command }: RunCommandInput): Promise<string[]> {
  const { path } = bench.parts().directories.at(sessionId);
  const names = await readdir(path, { recursive: true });
  return names.filter((name) => name.includes(command.id) && name !== join('results', command.id));
}

const untilSettled = ({ command }: RunCommandInput) => bench.parts().commands.find(command.id)?.settled;

test('of a command that was lost with its sandbox only the result is kept', async () => {
  const own = newSession(bench);
  const { sandboxes, driver } = bench.parts();
  await sandboxes.open(own, signal);
  const command = newCommand(own, 'cat; sleep 60', { stdin: 'input' });
  const first = run(command).catch((error: unknown) => error);
  await untilEvent(command, hasOutput);
  expect(await filesOf(command)).toHaveLength(3);
  await bench.restart();
  await first;
  const container = (await driver.listContainers()).find((one) => one.sessionId === own.sessionId)!;
  await driver.removeContainer(container.id);
  expect(await run(command)).toMatchObject({ outcome: 'sandbox_lost' });
  await untilSettled(command);
  expect(await filesOf(command)).toEqual([]);
});

test('of a command that was canceled while no runner held it only the result is kept', async () => {
  const command = newCommand(session, 'echo ready; sleep 60');
  const first = run(command).catch((error: unknown) => error);
  await untilEvent(command, hasOutput);
  await bench.restart();
  await first;
  expect(await run({ ...command, cancelReason: 'asked' })).toMatchObject({ outcome: 'canceled', reason: 'asked' });
  await untilSettled(command);
  expect(await filesOf(command)).toEqual([]);
});

test('what a killed runner did not tidy away after a command goes when it is asked for again', async () => {
  const command = newCommand(session, 'echo ready; sleep 60');
  const result = run(command);
  await untilEvent(command, hasOutput);
  const requests = join(bench.parts().directories.at(session.sessionId).runPath, 'requests');
  await cp(join(requests, command.command.id), join(requests, 'kept'));
  bench.parts().commands.find(command.command.id)?.cancel({ graceMs: 0, reason: 'enough' });
  await result;
  await untilSettled(command);
  await rename(join(requests, 'kept'), join(requests, command.command.id));
  await bench.restart();
  expect(await run(command)).toEqual(await result);
  await untilSettled(command);
  expect(await filesOf(command)).toEqual([]);
});

test('a command that was never started in a sandbox that is gone leaves no request behind', async () => {
  const own = newSession(bench);
  const { sandboxes, directories } = bench.parts();
  await sandboxes.open(own, signal);
  await sandboxes.stop(own.sessionId);
  const command = newCommand(own, 'true');
  await writeFile(join(directories.at(own.sessionId).runPath, 'requests', command.command.id), 'with a secret');
  await expect(run(command)).rejects.toThrow(SandboxGone);
  expect(await filesOf(command)).toEqual([]);
});
