// Who waits for what is being written down, on a real stream: told by this process or found there, and given up when it is to stop.

import { jetstream, jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { newId } from '@worktrail/contract/ids';
import type { SandboxRef } from '@worktrail/contract/sandbox-activities';
import { eventStream, eventStreamSubjects, sessionProducer } from '@worktrail/contract/subjects';
import { createProducer, type ProducerDeps } from '@worktrail/runtime/event-producer';
import { createLogger } from '@worktrail/runtime/log';
import { type NatsServer, startNatsServer } from '@worktrail/testing/nats-server';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createAppendedDrafts } from './appended-drafts.ts';

let scratch: Scratch;
let server: NatsServer;
let nats: NatsConnection;
let jsm: JetStreamManager;
let deps: ProducerDeps;
/** What the trace-store has of a producer whose events have left the stream. */
let marked = 0n;
beforeAll(async () => {
  scratch = await makeScratch('appended-drafts');
  server = await startNatsServer(`${scratch.path}/nats`);
  nats = await connect({ servers: server.url });
  jsm = await jetstreamManager(nats);
  await jsm.streams.add({ name: eventStream(0), subjects: [eventStreamSubjects(0).stored] });
  const none = { stdoutOffset: 0n, stderrOffset: 0n, position: 0n, ended: false };
  const trace = { getProducerMark: async () => ({ ...none, number: marked }) } as unknown as ProducerDeps['trace'];
  deps = { js: jetstream(nats), jsm, trace, log: createLogger({ service: 'test', level: 'silent' }) };
});
afterAll(async () => {
  await nats?.close();
  await server?.stop();
  await scratch?.remove();
});

const newRef = (): SandboxRef => ({
  organizationId: newId('organization'),
  projectId: newId('project'),
  sessionId: newId('session'),
  partition: 0,
  generation: 1,
});
const { signal } = new AbortController();

/** Resolves to whether it has come by now. */
async function hasCome(waiting: Promise<void>): Promise<boolean> {
  return await Promise.race([waiting.then(() => true), new Promise<false>((resolve) => setImmediate(resolve, false))]);
}

test('what this process has appended is known at once, before and while it is waited for', async () => {
  const ref = newRef();
  const appended = createAppendedDrafts(deps);
  const second = appended.until(ref, { producer: sessionProducer, number: 2 }, signal);
  appended.noted(ref, { producer: sessionProducer, number: 1 });
  appended.noted(newRef(), { producer: sessionProducer, number: 5 });
  appended.noted(ref, { producer: 'other', number: 5 });
  expect(await hasCome(second)).toBe(false);
  appended.noted(ref, { producer: sessionProducer, number: 3 });
  await second;
  expect(await hasCome(appended.until(ref, { producer: sessionProducer, number: 3 }, signal))).toBe(true);
});

test('what another process has appended is found in the stream, or by the mark of what has left it', async () => {
  const ref = newRef();
  const appended = createAppendedDrafts(deps);
  const producer = createProducer(deps, { ...ref, producer: sessionProducer, signal });
  const append = () =>
    producer.append({
      ...{ time: new Date(), actor: { kind: 'system', id: 'orchestrator' } },
      payload: { case: 'sessionResuming', value: { reason: 'message' } },
    });
  const second = appended.until(ref, { producer: sessionProducer, number: 2 }, signal);
  await append();
  await append();
  await second;
  const gone = appended.until(newRef(), { producer: sessionProducer, number: 7 }, signal);
  marked = 7n;
  await gone;
});

test('who is to stop waits no longer', async () => {
  const appended = createAppendedDrafts(deps);
  const stopping = new AbortController();
  const waiting = appended.until(newRef(), { producer: sessionProducer, number: 8 }, stopping.signal);
  stopping.abort(new Error('canceled'));
  await expect(waiting).rejects.toThrow('canceled');
});
