import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { CommandSpec } from '@worktrail/contract/commands';
import { newId } from '@worktrail/contract/ids';
import type { OpenSandboxInput, RunCommandInput } from '@worktrail/contract/sandbox-activities';
import { eventSubject, runnerControlSubject } from '@worktrail/contract/subjects';
import { EventSchema } from '@worktrail/proto/event';
import { type ControlRequest, ControlReplySchema, ControlRequestSchema } from '@worktrail/proto/runner';
import { createLifetime, type Lifetime } from '@worktrail/runtime/lifetime';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startControlRequests } from './control-requests.ts';
import {
  activityRun,
  log,
  newCommand,
  newSession,
  outputOf,
  type RunnerBench,
  startRunnerBench,
} from './runner-bench.ts';

let bench: RunnerBench;
let session: OpenSandboxInput;
let lifetime: Lifetime;

// With control lines by exec: the way that is left where a FIFO cannot be shared with the container.
beforeAll(async () => {
  bench = await startRunnerBench('control', 'exec');
  session = newSession(bench);
  await bench.parts().sandboxes.open(session, new AbortController().signal);
  lifetime = createLifetime(log);
  const { commands, directories } = bench.parts();
  startControlRequests({ nats: bench.connection, runnerId: 'run-test', commands, directories, log }, lifetime);
}, 60_000);
afterAll(async () => {
  await lifetime.close();
  await bench.close();
}, 60_000);

type Operation = ControlRequest['operation'];

async function ask(
  input: RunCommandInput,
  operation: Operation,
  organizationId = input.organizationId,
): Promise<string> {
  const { sessionId } = input;
  const request = create(ControlRequestSchema, { organizationId, sessionId, commandId: input.command.id, operation });
  const bytes = toBinary(ControlRequestSchema, request);
  const reply = await bench.connection.request(runnerControlSubject('run-test'), bytes, { timeout: 5_000 });
  return fromBinary(ControlReplySchema, reply.data).errorCode;
}

const stdin = (text: string, close = false): Operation => ({
  case: 'writeStdin',
  value: { $typeName: 'worktrail.v1.WriteStdin', bytes: Buffer.from(text), close },
});
const signal = (name: string): Operation => ({
  case: 'sendSignal',
  value: { $typeName: 'worktrail.v1.SendSignal', signal: name },
});
const cancel = (reason: string): Operation => ({
  case: 'cancelCommand',
  value: { $typeName: 'worktrail.v1.CancelCommand', graceSeconds: 1, reason },
});

/** Starts a command and waits for its first output. */
async function start(text: string, changes: Partial<CommandSpec> = {}) {
  const input = newCommand(session, text, changes);
  const events = bench.connection.subscribe(eventSubject(input, input.command.id));
  const result = bench.parts().commands.run(input, activityRun());
  for await (const message of events) if (fromBinary(EventSchema, message.data).payload.case === 'commandOutput') break;
  return { input, result };
}

test('input that is written later reaches the command in order, up to its end', async () => {
  const { input, result } = await start('echo ready; cat', { stdin: null });
  expect(await ask(input, stdin('one '))).toBe('');
  expect(await ask(input, stdin('two', true))).toBe('');
  expect(await result).toMatchObject({ outcome: 'exited', exitCode: 0 });
  expect(outputOf(await bench.events(input)).toString()).toBe('ready\none two');
  expect(await ask(input, stdin('late'))).toBe('command_ended');
}, 30_000);

test('input for a command that was given its whole input is refused', async () => {
  const { input, result } = await start('echo ready; sleep 60');
  expect(await ask(input, stdin('more'))).toBe('conflict');
  expect(await ask(input, cancel('enough'))).toBe('');
  expect(await result).toMatchObject({ outcome: 'canceled', reason: 'enough' });
}, 30_000);

test('input that comes after its end was announced is refused, and the end may be announced again', async () => {
  const { input, result } = await start('echo ready; cat; sleep 60', { stdin: null });
  expect(await ask(input, stdin('all', true))).toBe('');
  expect(await ask(input, stdin('more'))).toBe('conflict');
  expect(await ask(input, stdin('', true))).toBe('');
  expect(await ask(input, cancel('enough'))).toBe('');
  expect(await result).toMatchObject({ outcome: 'canceled' });
  expect(outputOf(await bench.events(input)).toString()).toBe('ready\nall');
}, 30_000);

test('a signal reaches the command, and one that does not exist is refused', async () => {
  const { input, result } = await start('trap "echo got it; exit 3" INT; echo ready; while :; do sleep 0.05; done');
  expect(await ask(input, signal('NONSENSE'))).toBe('validation_failed');
  expect(await ask(input, signal('INT'))).toBe('');
  expect(await result).toMatchObject({ outcome: 'exited', exitCode: 3 });
}, 30_000);

test('another organization cannot tell that the command is there', async () => {
  const { input, result } = await start('echo ready; sleep 60');
  expect(await ask(input, signal('KILL'), newId('organization'))).toBe('command_not_running');
  expect(await ask(input, signal('KILL'))).toBe('');
  expect(await result).toMatchObject({ outcome: 'signaled', signal: 'SIGKILL' });
}, 30_000);
