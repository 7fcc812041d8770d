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
  deps = { position, find: () => Promise.reject(new Error('the stream holds these events')) };
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
    ...{ scope: scopeOf(session.document), commandId, timeoutMs: 20_000, mayHaveBegun: false, signal: never },
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
  expect(progress).toMatchObject({ isWhole: false, end: { ended: { exitCode: 4 } } });
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
  const progress = await wait({ timeoutMs: 300 });
  expect(progress).toMatchObject({ end: undefined, isWhole: true, startedAt: expect.any(String) });
  const gone = new AbortController();
  const waiting = wait({ signal: gone.signal });
  gone.abort();
  expect((await waiting).end).toBe(undefined);
});
