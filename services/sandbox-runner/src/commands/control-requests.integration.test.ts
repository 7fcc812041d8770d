import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { CommandSpec } from '@worktrail/contract/commands';
import { newId } from '@worktrail/contract/ids';
import type { OpenSandboxInput, RunCommandInput } from '@worktrail/contract/sandbox-activities';
import { eventSubject, runnerControlSubject, secretKey } from '@worktrail/contract/subjects';
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
} from '../runner-bench.ts';

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
});
afterAll(async () => {
  await lifetime.close();
  await bench.close();
});

type Operation = ControlRequest['operation'];

async function ask(
  input: RunCommandInput,
  operation: Operation,
  organizationId = input.organizationId,
): Promise<string> {
  return (await reply(input, operation, organizationId)).errorCode;
}

async function reply(input: RunCommandInput, operation: Operation, organizationId = input.organizationId) {
  const { sessionId } = input;
  const request = create(ControlRequestSchema, { organizationId, sessionId, commandId: input.command.id, operation });
  const bytes = toBinary(ControlRequestSchema, request);
  const answer = await bench.connection.request(runnerControlSubject('run-test'), bytes, { timeout: 60_000 });
  return fromBinary(ControlReplySchema, answer.data);
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
async function start(text: string, changes: Partial<CommandSpec> = {}, more: Partial<RunCommandInput> = {}) {
  const input = { ...newCommand(session, text, changes), ...more };
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
});

test('input for a command that was given its whole input is refused', async () => {
  const { input, result } = await start('echo ready; sleep 60');
  expect(await ask(input, stdin('more'))).toBe('conflict');
  expect(await ask(input, cancel('enough'))).toBe('');
  expect(await result).toMatchObject({ outcome: 'canceled', reason: 'enough' });
});

test('input that comes after its end was announced is refused, and the end may be announced again', async () => {
  const { input, result } = await start('echo ready; cat; sleep 60', { stdin: null });
  expect(await ask(input, stdin('all', true))).toBe('');
  expect(await ask(input, stdin('more'))).toBe('conflict');
  expect(await ask(input, stdin('', true))).toBe('');
  expect(await ask(input, cancel('enough'))).toBe('');
  expect(await result).toMatchObject({ outcome: 'canceled' });
  expect(outputOf(await bench.events(input)).toString()).toBe('ready\nall');
});

test('a signal reaches the command, and one that does not exist is refused', async () => {
  const { input, result } = await start('trap "echo got it; exit 3" INT; echo ready; while :; do sleep 0.05; done');
  expect(await ask(input, signal('NONSENSE'))).toBe('validation_failed');
  expect(await ask(input, signal('INT'))).toBe('');
  expect(await result).toMatchObject({ outcome: 'exited', exitCode: 3 });
});

test('another organization cannot tell that the command is there', async () => {
  const { input, result } = await start('echo ready; sleep 60');
  expect(await ask(input, signal('KILL'), newId('organization'))).toBe('command_not_running');
  expect(await ask(input, signal('KILL'))).toBe('');
  expect(await result).toMatchObject({ outcome: 'signaled', signal: 'SIGKILL' });
});

test("a live command's output is read again from its journal, masked, for its own organization, and no more once it is over", async () => {
  const key = secretKey(session.projectId, 'token');
  const document = { name: 'token', sealed: bench.secretBox.seal('hunter2', key), updatedAt: new Date().toISOString() };
  await bench.configuration.put(key, JSON.stringify(document));
  const environment = { ...session.environment, env: { TOKEN: { secret: 'token' } } };
  const { input, result } = await start('echo "<$TOKEN>"; echo aside >&2; sleep 60', {}, { environment });
  await expect.poll(async () => outputOf(await bench.events(input)).length).toBe(16);
  const read = (from: number, to: number): Operation => ({
    case: 'readJournal',
    value: {
      $typeName: 'worktrail.v1.ReadJournal',
      fromPosition: BigInt(from),
      toPosition: BigInt(to),
      bytesMax: 100_000,
    },
  });
  const whole = (await reply(input, read(0, 16))).journalRange!;
  expect(Buffer.concat(whole.output.map(({ bytes }) => bytes)).toString()).toBe('<*******>\naside\n');
  expect(whole.queued).toMatchObject({ command: input.command.command, origin: 'user' });
  expect(whole.queuedBy?.id).toBe(input.command.actor.id);
  expect(whole.startedAt).toBeDefined();
  const middle = (await reply(input, read(4, 12))).journalRange!;
  expect(middle.output.map(({ offset, position, bytes }) => [offset, position, Buffer.from(bytes).toString()])).toEqual(
    [
      [4n, 4n, '****>\n'],
      [0n, 10n, 'as'],
    ],
  );
  expect(await ask(input, read(0, 16), newId('organization'))).toBe('command_not_running');
  expect(await ask(input, read(9, 3))).toBe('validation_failed');
  expect(await ask(input, cancel('enough'))).toBe('');
  await result;
  await bench.parts().commands.find(input.command.id)?.settled;
  expect(await ask(input, read(0, 16))).toBe('command_ended');
});
