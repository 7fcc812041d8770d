// Totals on a real ClickHouse directory, by processes that die wherever they write: what is told in the end is a count of all events.

import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { newId } from '@worktrail/contract/ids';
import { eventSubject } from '@worktrail/contract/subjects';
import { EventSchema } from '@worktrail/proto/event';
import type { EventPayloadInit } from '@worktrail/runtime/event-producer';
import { createLifetime, type Lifetime } from '@worktrail/runtime/lifetime';
import { createLogger } from '@worktrail/runtime/log';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ClickHouse, openClickHouse } from '../clickhouse/store.ts';
import { createEventSink } from '../ingest/event-sink.ts';
import { ownStore } from '../ingest/ingest-lease.ts';
import type { StreamMessage } from '../ingest/stream-message.ts';
import { applySchema } from '../clickhouse/schema.ts';
import {
  ended,
  eventBytes,
  type Fixture,
  newSession,
  openFixture,
  output,
  publisher,
  queued,
  type TestSession,
  storeAll,
} from '../trace-store-fixture.ts';
import { createTotals, type Totals } from './totals.ts';

let scratch: Scratch;
let lifetime: Lifetime;
let clickhouse: ClickHouse;

const now = () => new Date();
const epoch = 1_790_000_000_000;
const dayMs = 86_400_000;
const startMs = Date.parse('2026-11-01T00:00:00Z');

interface Told {
  session: number;
  day: number;
  kind: 'created' | 'output' | 'ok' | 'failed' | 'usage' | 'changed';
  /** Of which any sum is exact. */
  amount: number;
}

function payloadOf({ kind, amount }: Told, number: number): EventPayloadInit {
  switch (kind) {
    case 'created':
      return { case: 'sessionCreated', value: { taskId: 'tsk_1' } };
    case 'output':
      return output('stdout', number * 1_000, number * 1_000, Buffer.alloc(amount + 1, 'x'));
    case 'ok':
    case 'failed':
      return ended(kind === 'ok' ? 0 : 1, 0, 0);
    case 'usage':
      return { case: 'usage', value: { model: 'm', inputTokens: BigInt(amount), costUsd: amount / 64 } };
    case 'changed':
      return { case: 'filesChanged', value: { files: [{ path: 'a', additions: BigInt(amount) }] } };
  }
}

function messagesOf(sessions: readonly TestSession[], told: readonly Told[]): StreamMessage[] {
  const numbers = sessions.map(() => 0);
  return told.map((each, index) => {
    const session = sessions[each.session]!;
    const number = ++numbers[each.session]!;
    const event = fromBinary(EventSchema, eventBytes(session, 'session', number, payloadOf(each, number)));
    event.time = timestampFromMs(startMs + each.day * dayMs + number);
    return { subject: eventSubject(session, 'session'), sequence: index + 1, data: toBinary(EventSchema, event) };
  });
}

/** Counted here. */
function totalsOf(sessions: readonly TestSession[], told: readonly Told[]) {
  const sum = (some: readonly Told[], kinds: readonly Told['kind'][], of: (each: Told) => number) =>
    some.filter(({ kind }) => kinds.includes(kind)).reduce((all, each) => all + of(each), 0);
  const amounts = (some: readonly Told[]) => ({
    events: some.length,
    failed: sum(some, ['failed'], () => 1),
    tokens: sum(some, ['usage'], ({ amount }) => amount),
    cost: sum(some, ['usage'], ({ amount }) => amount / 64),
    additions: sum(some, ['changed'], ({ amount }) => amount),
    bytes: sum(some, ['output'], ({ amount }) => amount + 1),
  });
  return {
    sessions: [...Map.groupBy(told, ({ session }) => sessions[session]!.sessionId)].map(([key, some]) => ({
      key,
      ...amounts(some),
    })),
    days: [...Map.groupBy(told, ({ day }) => new Date(startMs + day * dayMs).toISOString().slice(0, 10))].map(
      ([key, some]) => ({ key, ...amounts(some) }),
    ),
  };
}

async function stored(organizationId: string) {
  const asNumbers = 'SETTINGS output_format_json_quote_64bit_integers = 0';
  const where = `WHERE organization_id = '${organizationId}' AND events > 0`;
  return {
    sessions: await clickhouse.rows<{ key: string }>(
      `SELECT session_id AS key, events, commands_failed AS failed, input_tokens AS tokens, cost_usd AS cost, additions, output_bytes AS bytes
       FROM session_totals_v1 FINAL ${where} ORDER BY key ${asNumbers}`,
    ),
    days: await clickhouse.rows<{ key: string }>(
      `SELECT toString(day) AS key, sum(t.events) AS events, sum(t.failed) AS failed, sum(input_tokens) AS tokens, sum(cost_usd) AS cost,
         sum(t.additions) AS additions, sumIf(t.bytes, type = 'command.output') AS bytes
       FROM (SELECT * FROM daily_totals_v1 FINAL ${where}) AS t GROUP BY day ORDER BY key ${asNumbers}`,
    ),
  };
}

interface Fault {
  /** So many writes are done before it. */
  writes: number;
  /** Whether the one that fails is done, too, but nobody learns of it. */
  isDone: boolean;
  /** Else the process goes on. */
  isDeath: boolean;
}

class Killed extends Error {}

/** The same ClickHouse for a process one of whose writes fails. */
function until(fault: Fault): { clickhouse: ClickHouse; settled: () => Promise<unknown> } {
  let left = fault.writes;
  let isDead = false;
  const pending: Promise<unknown>[] = [];
  type Call = (...parameters: unknown[]) => Promise<unknown>;
  const reading = (call: Call): Call =>
    async function read(...parameters) {
      if (isDead) throw new Killed('killed');
      return await call(...parameters);
    };
  const writing = (call: Call): Call =>
    async function write(...parameters) {
      if (isDead) throw new Killed('killed');
      const isFault = left-- === 0;
      isDead = isFault && fault.isDeath;
      if (!isFault || fault.isDone) {
        const answer = call(...parameters);
        pending.push(answer);
        await answer;
      }
      if (isDead) throw new Killed('killed');
      if (isFault) throw new Error('no answer');
      return undefined;
    };
  const reads = ['rows', 'bytes', 'confined'];
  const calls = Object.entries(clickhouse).map(([name, call]) => [
    name,
    reads.includes(name) ? reading(call as never) : writing(call as never),
  ]);
  return { clickhouse: Object.fromEntries(calls) as ClickHouse, settled: () => Promise.allSettled(pending) };
}

let partitions = 0;

interface Life {
  /** Messages in a batch. */
  batch: number;
  /** So many batches between two counts. */
  countEvery: number;
  /** So many messages come again. */
  again: number;
}

const sinkOf = (store: ClickHouse, partition: number, totals: Totals) =>
  createEventSink({
    ...{ clickhouse: store, partition, right: ownStore, now, totals },
    journals: { open: () => ({ read: async () => undefined }) },
    deadLetters: { newestOf: async () => undefined },
  });

async function live(
  store: ClickHouse,
  partition: number,
  messages: readonly StreamMessage[],
  life: Life,
): Promise<void> {
  const totals = createTotals({ clickhouse: store, right: ownStore, now });
  const sink = sinkOf(store, partition, totals);
  const again = (work: () => Promise<void>) => (error: unknown) => {
    if (error instanceof Killed) throw error;
    return work();
  };
  const count = () => totals.run().catch(again(() => totals.run()));
  const go = async () => {
    const position = await sink.storedPosition();
    const rest = messages.slice(Math.max(0, (position?.sequence ?? 0) - life.again));
    for (let from = 0, batches = 1; from < rest.length; from += life.batch, batches++) {
      await storeAll(sink, rest.slice(from, from + life.batch), epoch);
      if (batches % life.countEvery === 0) await count();
    }
    await count();
  };
  await go().catch(again(go));
}

const told = fc.record<Told>({
  session: fc.nat(2),
  day: fc.nat(2),
  kind: fc.constantFrom('created', 'output', 'ok', 'failed', 'usage', 'changed'),
  amount: fc.nat(640),
});
const life = fc.record<Life>({
  batch: fc.integer({ min: 1, max: 12 }),
  countEvery: fc.integer({ min: 1, max: 3 }),
  again: fc.nat(5),
});
const fault = fc.record<Fault>({ writes: fc.nat(12), isDone: fc.boolean(), isDeath: fc.boolean() });

describe('in a store', () => {
  beforeAll(async () => {
    scratch = await makeScratch('totals');
    lifetime = createLifetime(createLogger({ service: 'test', level: 'silent' }));
    clickhouse = await openClickHouse({ kind: 'embedded', path: `${scratch.path}/clickhouse` }, lifetime);
    await applySchema(clickhouse);
  });

  afterAll(async () => {
    await lifetime.close();
    await scratch.remove();
  });

  test('after deaths and lost answers at any write, and redeliveries, the totals are what the events come to', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(told, { minLength: 1, maxLength: 30 }),
        fc.array(fc.tuple(life, fault), { maxLength: 5 }),
        life,
        async (events, faults, last) => {
          const { organizationId } = newSession();
          const partition = ++partitions;
          const sessions = [0, 1, 2].map(() => ({ ...newSession(organizationId), partition }));
          const messages = messagesOf(sessions, events);
          for (const [each, one] of faults) {
            const faulty = until(one);
            await live(faulty.clickhouse, partition, messages, each).catch((error: Error) => {
              if (!(error instanceof Killed)) throw error;
            });
            await faulty.settled();
          }
          await live(clickhouse, partition, messages, last);
          const expected = totalsOf(sessions, events);
          const byKey = (a: { key: string }, b: { key: string }) => (a.key < b.key ? -1 : 1);
          expect(await stored(organizationId)).toEqual({
            sessions: expected.sessions.toSorted(byKey),
            days: expected.days.toSorted(byKey),
          });
        },
      ),
      { numRuns: 25 },
    );
  });

  test('what ClickHouse did not take is counted the next time', async () => {
    const sessions = [{ ...newSession(), partition: 9_000 }];
    const events: Told[] = [1, 2].map((amount) => ({ session: 0, day: 0, kind: 'usage', amount }));
    const faulty = until({ writes: 1, isDone: false, isDeath: false });
    const totals = createTotals({ clickhouse: faulty.clickhouse, right: ownStore, now });
    await storeAll(sinkOf(clickhouse, 9_000, totals), messagesOf(sessions, events), epoch);
    await expect(totals.run()).rejects.toThrow('no answer');
    await totals.run();
    expect(await stored(sessions[0]!.organizationId)).toEqual(totalsOf(sessions, events));
  });

  test('what was deleted is not told any more when all is counted again', async () => {
    const sessions = [newSession(), newSession(), newSession()].map((session, _, [first]) => ({
      ...{ ...session, organizationId: first!.organizationId, partition: 9_001 },
    }));
    const { organizationId } = sessions[0]!;
    const events: Told[] = [0, 1, 2].map((index) => ({ session: index, day: index, kind: 'usage', amount: 64 }));
    await live(clickhouse, 9_001, messagesOf(sessions, events), { batch: 10, countEvery: 1, again: 0 });
    await clickhouse.command(
      `ALTER TABLE events_v1 DELETE WHERE session_id = '${sessions[1]!.sessionId}' SETTINGS mutations_sync = 1`,
    );
    const totals = createTotals({ clickhouse, right: ownStore, now });
    expect(await totals.recount(organizationId)).toEqual({ sessions: 2, days: 2 });
    const left = await stored(organizationId);
    expect(left.sessions.map(({ key }) => key)).toEqual([sessions[0]!.sessionId, sessions[2]!.sessionId].toSorted());
  });

  test('who may not store does not count, and counts it when he may', async () => {
    let fence: number | undefined;
    const totals = createTotals({ clickhouse, right: { taken: async () => {}, fence: () => fence }, now });
    totals.opened(0, { epoch: 1, sequence: 1 });
    await totals.run();
    await expect(totals.recount('org_x')).rejects.toThrow('lease');
    const position = () => clickhouse.rows('SELECT sequence FROM totals_positions_v1 FINAL WHERE partition = 0');
    expect(await position()).toEqual([]);
    fence = 1;
    await totals.run();
    expect(await position()).toHaveLength(1);
  });
});

describe('of the service', () => {
  let fixture: Fixture;
  beforeAll(async () => {
    fixture = await openFixture('totals');
    await fixture.start();
  });
  afterAll(() => fixture.close());

  test('totals are there without anybody asking for them, in SQL of their organization alone', async () => {
    const [mine, theirs] = [newSession(), newSession()];
    for (const session of [mine, theirs]) {
      const command = newId('command');
      await publisher(fixture.js, session)(command, 1, queued('true'));
      await publisher(fixture.js, session)(command, 2, ended(3, 0, 0));
    }
    const { organizationId } = mine;
    const ask = async (sql: string) => JSON.parse((await fixture.trace.query({ organizationId, sql })).rowsJson);
    const perSession = 'SELECT session_id, events, commands, commands_failed FROM session_totals';
    const become = (sql: string, rows: object[]) => expect.poll(() => ask(sql), { timeout: 60_000 }).toEqual(rows);
    await become(perSession, [{ session_id: mine.sessionId, events: 2, commands: 1, commands_failed: 1 }]);
    await become('SELECT type, events, failed FROM daily_totals ORDER BY type', [
      { type: 'command.ended', events: 1, failed: 1 },
      { type: 'command.queued', events: 1, failed: 0 },
    ]);
    expect(await fixture.trace.recomputeTotals({ organizationId })).toMatchObject({ sessions: 1n, days: 1n });
  });
});
