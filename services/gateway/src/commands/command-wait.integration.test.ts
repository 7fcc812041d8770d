import { jetstreamManager } from '@nats-io/jetstream';
import { newId } from '@worktrail/contract/ids';
import { liveSubject } from '@worktrail/contract/subjects';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { append, makeSession, outputPayload, type TestSession } from '../events/feed-fixture.ts';
import { createLiveSubscriber, type LiveSubscriber, type LiveSubscription } from '../events/live-subscription.ts';
import { createStreamPosition } from '../events/stream-position.ts';
import { type Fixture, openFixture } from '../gateway-fixture.ts';
import { scopeOf } from '../sessions/session-reader.ts';
import { type CommandWait, type WaitDeps, waitForCommand } from './command-wait.ts';

let fixture: Fixture;
let connection: NatsConnection;
let live: LiveSubscriber;
let deps: WaitDeps;
let session: TestSession;
let commandId: string;
let subscription: LiveSubscription;

beforeAll(async () => {
  fixture = await openFixture('command-wait');
  connection = await connect({ servers: fixture.nats.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  live = createLiveSubscriber(connection);
  const position = createStreamPosition(connection, await jetstreamManager(connection), live);
  const listenToSession: WaitDeps['listenToSession'] = (scope) => live.subscribe(liveSubject(scope, 'session'));
  deps = { position, listenToSession, find: () => Promise.reject(new Error('the stream holds these events')) };
});
afterAll(async () => {
  await connection?.close();
  await fixture?.close();
});
beforeEach(async () => {
  session = await makeSession(fixture);
  commandId = newId('command');
  subscription = live.subscribe(liveSubject(scopeOf(session.document), commandId));
  await connection.flush();
});
afterEach(() => subscription.close());

const never = new AbortController().signal;
const wait = (more: Partial<CommandWait> = {}) =>
  waitForCommand(deps, subscription, {
    ...{ scope: scopeOf(session.document), commandId, timeoutMs: 120_000, mayHaveBegun: false, signal: never },
    ...more,
  });

async function runToEnd(): Promise<void> {
  const producer = session.producer(commandId);
  await append(producer, { case: 'commandQueued', value: { command: 'echo hi' } });
  await append(producer, { case: 'commandStarted', value: {} });
  await append(producer, outputPayload(0, Buffer.from('hi\n')));
  await append(producer, { case: 'commandEnded', value: { outcome: 1, exitCode: 4, stdoutBytes: 3n } });
}

test('the end is answered as it passes, with the output', async () => {
  const waiting = wait();
  await runToEnd();
  const progress = await waiting;
  expect(progress).toMatchObject({ isWhole: true, stdoutBytes: 3, end: { ended: { exitCode: 4 } } });
  expect(progress.tail.text().text).toBe('hi\n');
});

test('an end that passed before anyone listened is found in the stream', async () => {
  subscription.close();
  await runToEnd();
  subscription = live.subscribe(liveSubject(scopeOf(session.document), commandId));
  const progress = await wait({ mayHaveBegun: true });
  expect(progress).toMatchObject({ end: { ended: { exitCode: 4 } } });
  expect(progress.isWhole && progress.tail.text().text).toBe('hi\n');
});

test('of much output the tail is answered', async () => {
  const producer = session.producer(commandId);
  const waiting = wait();
  await append(producer, { case: 'commandQueued', value: { command: 'yes' } });
  await append(producer, { case: 'commandStarted', value: {} });
  const chunk = 200_000;
  const chunks = 12;
  for (let i = 0; i < chunks; i++) await append(producer, outputPayload(i * chunk, Buffer.alloc(chunk, 97 + i)));
  await append(producer, {
    case: 'commandEnded',
    value: { outcome: 1, exitCode: 0, stdoutBytes: BigInt(chunks * chunk) },
  });
  const progress = await waiting;
  expect(progress).toMatchObject({ isWhole: true, end: { ended: { exitCode: 0 } } });
  expect(progress.tail.text()).toEqual({ text: 'l'.repeat(65_536), truncated: true });
});

test('of much output of a command that goes on it is told how much, and its last bytes', async () => {
  const producer = session.producer(commandId);
  await append(producer, { case: 'commandQueued', value: { command: 'yes' } });
  await append(producer, { case: 'commandStarted', value: {} });
  const waiting = wait({ timeoutMs: 10_000 });
  for (let i = 0; i < 12; i++) await append(producer, outputPayload(i * 200_000, Buffer.alloc(200_000, 97 + i)));
  const progress = await waiting;
  expect(progress).toMatchObject({ end: undefined, stdoutBytes: 2_400_000 });
  expect(progress.tail.text().text.endsWith('l'.repeat(1_000))).toBe(true);
});

test('an end that was missed because NATS was restarted is found in the stream', async () => {
  const waiting = wait();
  await fixture.nats.restart();
  await runToEnd();
  expect((await waiting).end?.ended.exitCode).toBe(4);
});

test('a command that goes on is answered when the wait is over, or the client has gone', async () => {
  const producer = session.producer(commandId);
  await append(producer, { case: 'commandQueued', value: { command: 'cat' } });
  await append(producer, { case: 'commandStarted', value: {} });
  const progress = await wait({ timeoutMs: 2_000 });
  expect(progress).toMatchObject({ end: undefined, isWhole: true, startedAt: expect.any(String) });
  const gone = new AbortController();
  const waiting = wait({ signal: gone.signal });
  gone.abort();
  expect((await waiting).end).toBe(undefined);
});
