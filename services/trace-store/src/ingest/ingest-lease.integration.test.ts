// Two trace-stores on one ClickHouse, with the lease in a real NATS: one stores, the other takes over, and each event is there once.

import { randomBytes } from 'node:crypto';
import type { KV } from '@nats-io/kv';
import { eventStream } from '@worktrail/contract/subjects';
import { openBucket } from '@worktrail/runtime/buckets';
import { createLifetime, type Lifetime } from '@worktrail/runtime/lifetime';
import { createLogger } from '@worktrail/runtime/log';
import { createMetrics } from '@worktrail/runtime/metrics';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type ClickHouse, openClickHouse } from '../clickhouse/store.ts';
import { createDeadLetters } from './dead-letters.ts';
import { createEventSink } from './event-sink.ts';
import { readHistory } from '../history/history.ts';
import { storedEvent } from './event-row.ts';
import { type Ingest, startIngest } from './ingest.ts';
import { type IngestLease, startIngestLease } from './ingest-lease.ts';
import { createIngestMetrics } from './ingest-metrics.ts';
import { applySchema } from '../clickhouse/schema.ts';
import { ensureStreams, eventStreamDefinition } from '../streams.ts';
import { type Fixture, newSession, openFixture, publisher, type TestSession } from '../trace-store-fixture.ts';

const leaseMs = 6_000;
/** Of a busy machine. */
const patience = { timeout: 60_000 };
const log = createLogger({ service: 'test', level: 'silent' });
let fixture: Fixture;
let lifetime: Lifetime;
let clickhouse: ClickHouse;
let bucket: KV;

beforeEach(async () => {
  fixture = await openFixture('lease');
  lifetime = createLifetime(log);
  clickhouse = await openClickHouse({ kind: 'embedded', path: `${fixture.path}/clickhouse` }, lifetime);
  await applySchema(clickhouse);
  await ensureStreams(fixture.jsm, 1, fixture.config.streams);
  bucket = await openBucket(fixture.connection, 'test-lease', { ttlMs: leaseMs });
});

afterEach(async () => {
  await lifetime.close();
  await fixture.close();
});

interface Instance {
  lease: IngestLease;
  ingest: Ingest;
  rows: () => Promise<number>;
  /** As by SIGKILL: nothing is given back, nothing is stored any more. */
  die(): Promise<void>;
  stop(): Promise<void>;
}

interface Faults {
  /** Renewals do not reach NATS any more. */
  isCutOff: boolean;
}

function startInstance(name: string, faults: Faults = { isCutOff: false }, trustMs = 4_200): Instance {
  const lease = startIngestLease({ bucket: cutting(bucket, faults), name, log, trustMs, retryMs: 100 });
  const stopping = new AbortController();
  const registry = createMetrics(name);
  const metrics = createIngestMetrics(registry);
  const deadLetters = createDeadLetters(fixture.js, fixture.jsm, 0);
  const journals = { open: () => ({ read: async () => undefined }) };
  const { js, jsm } = fixture;
  const ingest = startIngest(
    { js, jsm, deadLetters, right: lease, metrics, log, signal: stopping.signal },
    {
      definition: eventStreamDefinition(0, fixture.config.streams),
      sink: createEventSink({ clickhouse, journals, deadLetters, partition: 0, right: lease, now: () => new Date() }),
      batchRowsMax: 50,
      batchBytesMax: 1_000_000,
      lingerMs: 5,
    },
  );
  lease.onLost(() => ingest.interrupt('the lease to store is lost'));
  const stop = async () => {
    stopping.abort();
    await ingest.done;
    await lease.close();
  };
  lifetime.onClose(name, stop);
  return {
    lease,
    ingest,
    rows: async () => (await metrics.rows.get()).values[0]?.value ?? 0,
    die: async () => {
      faults.isCutOff = true;
      stopping.abort();
      await ingest.done;
    },
    stop,
  };
}

function cutting(inner: KV, faults: Faults): KV {
  const refused = () => Promise.reject(new Error('no answer'));
  return new Proxy(inner, {
    get: (target, property) => {
      const method = Reflect.get(target, property);
      if (typeof method !== 'function') return method;
      return (...parameters: unknown[]) => (faults.isCutOff ? refused() : method.apply(target, parameters));
    },
  });
}

async function numbers({ organizationId, sessionId }: TestSession): Promise<number[]> {
  const start = { epoch: 0, sequence: 0 };
  const bounds = { types: [], rowsMax: 100_000, bytesMax: 64_000_000 };
  const page = await readHistory(clickhouse, { organizationId, sessionId, after: start, stored: start, ...bounds });
  return page.events.map(({ message }) => Number(storedEvent(message).number));
}

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);
const busy = { case: 'sessionBusy' as const, value: { commandId: randomBytes(4).toString('hex') } };
const holds = (instance: Instance) => instance.lease.fence() !== undefined;

test('one stores and the other waits, says that it is a standby, and takes over when the first stops', async () => {
  const session = newSession();
  const publish = publisher(fixture.js, session);
  const first = startInstance('first');
  await expect.poll(() => first.ingest.position(), patience).toBeDefined();
  const second = startInstance('second');
  for (let number = 1; number <= 20; number++) await publish('session', number, busy);
  await expect.poll(() => numbers(session), patience).toEqual(upTo(20));
  expect(second.ingest.problem()).toMatch(/standby/);
  expect(second.ingest.position()).toBeUndefined();
  const fence = first.lease.fence()!;
  await first.stop();
  await expect.poll(() => second.ingest.position()?.sequence, patience).toBe(20);
  expect(second.lease.fence()).toBeGreaterThan(fence);
  await publish('session', 21, busy);
  await expect.poll(() => numbers(session), patience).toEqual(upTo(21));
  expect(await second.rows()).toBe(1);
});

test('a killed one is followed when its lease has run out, and every event is there once', async () => {
  const session = newSession();
  const publish = publisher(fixture.js, session);
  const first = startInstance('first');
  await expect.poll(() => holds(first), patience).toBe(true);
  const second = startInstance('second');
  let published = 0;
  const publishMany = async (count: number) => {
    for (let i = 0; i < count; i++) await publish('session', ++published, busy);
  };
  await publishMany(200);
  await first.die();
  await publishMany(200);
  await expect.poll(() => second.ingest.position()?.sequence, patience).toBe(400);
  expect(await numbers(session)).toEqual(upTo(400));
  expect((await first.rows()) + (await second.rows())).toBe(400);
});

test('one that cannot renew its lease stops storing before another may, and does not go on when it is back', async () => {
  const session = newSession();
  const publish = publisher(fixture.js, session);
  const faults = { isCutOff: false };
  const first = startInstance('first', faults);
  await expect.poll(() => first.ingest.position(), patience).toBeDefined();
  const second = startInstance('second');
  const both: string[] = [];
  const watching = setInterval(() => {
    if (holds(first) && holds(second)) both.push('both');
  }, 1);
  faults.isCutOff = true;
  await expect.poll(() => holds(second), { ...patience, interval: 5 }).toBe(true);
  expect(first.ingest.position()).toBeUndefined();
  faults.isCutOff = false;
  await publish('session', 1, busy);
  await expect.poll(() => numbers(session), patience).toEqual([1]);
  await expect.poll(() => first.ingest.problem(), patience).toMatch(/standby/);
  expect(await first.rows()).toBe(0);
  clearInterval(watching);
  expect(both).toEqual([]);
});

test('even two that both believe they may store leave each event once in every answer', async () => {
  const session = newSession();
  const publish = publisher(fixture.js, session);
  // A lease that is trusted for ever, as by a process that is stopped between its check and its insert.
  const faults = { isCutOff: false };
  const first = startInstance('first', faults, 3_600_000);
  await expect.poll(() => first.ingest.position(), patience).toBeDefined();
  faults.isCutOff = true;
  const second = startInstance('second');
  let isPublishing = true;
  let published = 0;
  const publishing = (async () => {
    while (isPublishing) await publish('session', ++published, busy);
  })();
  await expect.poll(() => second.rows(), patience).toBeGreaterThan(100);
  isPublishing = false;
  await publishing;
  await expect
    .poll(async () => (await numbers(session)).length, patience)
    .toBe((await fixture.jsm.streams.info(eventStream(0))).state.messages);
  expect(await numbers(session)).toEqual(upTo(published));
  const view = await clickhouse.rows<{ count: string }>(
    'SELECT count() AS count FROM events_v1 FINAL WHERE session_id = {session:String}',
    { session: session.sessionId },
  );
  expect(Number(view[0]!.count)).toBe(published);
});
