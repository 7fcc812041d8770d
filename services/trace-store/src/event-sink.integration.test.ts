// One partition's sink on a real ClickHouse directory: what happens when the answer of an insert is lost, and with two partitions.

import { createLifetime, type Lifetime } from '@worktrail/runtime/lifetime';
import { createLogger } from '@worktrail/runtime/log';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ClickHouse, openClickHouse } from './clickhouse.ts';
import { createEventSink } from './event-sink.ts';
import { ownStore } from './ingest-lease.ts';
import type { JournalSource } from './journal-source.ts';
import { readHistory } from './history.ts';
import { applySchema } from './schema.ts';
import { eventBytes, newSession, type TestSession } from './trace-store-fixture.ts';

let scratch: Scratch;
let lifetime: Lifetime;
let clickhouse: ClickHouse;

beforeAll(async () => {
  scratch = await makeScratch('event-sink');
  lifetime = createLifetime(createLogger({ service: 'test', level: 'silent' }));
  clickhouse = await openClickHouse({ kind: 'embedded', path: `${scratch.path}/clickhouse` }, lifetime);
  await applySchema(clickhouse);
}, 30_000);

afterAll(async () => {
  await lifetime.close();
  await scratch.remove();
});

const now = () => new Date();
const noJournal = { open: () => ({ read: async () => undefined }) };
const noLetters = { newestOf: async () => undefined };
const openSink = (inner: ClickHouse, partition: number, journals: JournalSource = noJournal) =>
  createEventSink({ clickhouse: inner, journals, deadLetters: noLetters, partition, right: ownStore, now });
const epoch = 1_790_000_000_000;

function messages(session: TestSession, count: number) {
  const subject = `worktrail.events.${session.partition}.${session.organizationId}.${session.sessionId}.session`;
  return Array.from({ length: count }, (_, index) => ({
    subject,
    sequence: index + 1,
    data: eventBytes(session, 'session', index + 1, { case: 'sessionBusy', value: {} }),
  }));
}

async function numbers(session: TestSession): Promise<number[]> {
  const { organizationId, sessionId } = session;
  const start = { epoch: 0, sequence: 0 };
  const page = await readHistory(clickhouse, {
    organizationId,
    sessionId,
    after: start,
    stored: start,
    types: [],
    rowsMax: 100,
    bytesMax: 1_000_000,
  });
  expect(page.complete).toBe(true);
  return page.events.map(({ event }) => Number(event.number));
}

test('a batch whose answer was lost is stored again and read once', async () => {
  const session = newSession();
  const sink = openSink(losingAnswers(clickhouse, 2), 0);
  const batch = messages(session, 5);
  await expect(sink.store(batch, epoch)).rejects.toThrow('the answer was lost');
  await expect(sink.store(batch, epoch)).rejects.toThrow('the answer was lost');
  expect((await sink.store(batch, epoch)).rows).toBe(5);
  expect(await numbers(session)).toEqual([1, 2, 3, 4, 5]);
  const [row] = await clickhouse.rows<{ rows: string }>(
    `SELECT count() AS rows FROM events_v1 WHERE session_id = {session:String}`,
    { session: session.sessionId },
  );
  expect(Number(row!.rows)).toBeGreaterThan(5);
});

test('after an interruption what had been stored unnoticed is known', async () => {
  const session = newSession();
  const sink = openSink(losingAnswers(clickhouse, 1), 0);
  await expect(sink.store(messages(session, 5), epoch)).rejects.toThrow('the answer was lost');
  expect(await sink.storedPosition()).toMatchObject({ epoch });
  const again = await sink.store(messages(session, 7).slice(3), epoch);
  expect(again).toMatchObject({ rows: 2, duplicates: 2, holes: [] });
  expect(await numbers(session)).toEqual([1, 2, 3, 4, 5, 6, 7]);
});

test('each partition has a position of its own', async () => {
  const sink = openSink(clickhouse, 7);
  expect(await sink.storedPosition()).toBeUndefined();
  await sink.store(messages({ ...newSession(), partition: 7 }, 3), epoch + 1);
  expect(await sink.storedPosition()).toEqual({ epoch: epoch + 1, sequence: 3 });
  expect((await openSink(clickhouse, 0).storedPosition())?.epoch).toBe(epoch);
});

test('the schema is applied once, and a changed file is refused', async () => {
  await applySchema(clickhouse);
  const rows = await clickhouse.rows<{ name: string }>('SELECT name FROM schema_migrations_v1 ORDER BY name');
  expect(rows.map(({ name }) => name)).toEqual([...new Set(rows.map(({ name }) => name))]);
  await clickhouse.command(
    `ALTER TABLE schema_migrations_v1 UPDATE sha256 = 'other' WHERE name LIKE '0001-%' SETTINGS mutations_sync = 1`,
  );
  await expect(applySchema(clickhouse)).rejects.toThrow(/0001-events.sql was applied with another content/);
});

/** The same ClickHouse, whose first answers to inserts of events never arrive. */
function losingAnswers(inner: ClickHouse, losses: number): ClickHouse {
  let left = losses;
  return {
    ...inner,
    insert: async (table, columns, rows) => {
      await inner.insert(table, columns, rows);
      if (table === 'events_v1' && left-- > 0) throw new Error('the answer was lost');
    },
  };
}
