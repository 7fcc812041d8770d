// Histories where they are long: what a page reads does not depend on where it is.

import { newId } from '@worktrail/contract/ids';
import { createLifetime, type Lifetime } from '@worktrail/runtime/lifetime';
import { createLogger } from '@worktrail/runtime/log';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cursor } from '@worktrail/contract/cursor';
import { type ClickHouse, openClickHouse } from './clickhouse/store.ts';
import { type HistoryQuestion, readHistory } from './history.ts';
import { rowsReadBy } from './rows-read-fixture.ts';
import { applySchema } from './schema.ts';

const organizationId = newId('organization');
const sessionId = newId('session');
const other = newId('session');
const count = 1_000_000;
const parts = 4;
/** Of what is read ClickHouse reads a few granules of 8,192 rows in each part. */
const pageRowsMax = parts * 2 * 8_192;

let scratch: Scratch;
let lifetime: Lifetime;
let clickhouse: ClickHouse;

beforeAll(async () => {
  scratch = await makeScratch('history');
  lifetime = createLifetime(createLogger({ service: 'test', level: 'silent' }));
  clickhouse = await openClickHouse({ kind: 'embedded', path: `${scratch.path}/clickhouse` }, lifetime);
  await applySchema(clickhouse);
  await clickhouse.command('SYSTEM STOP MERGES events_v1');
  for (let part = 0; part < parts; part++) {
    const rows = count / parts;
    // Every tenth event is another session's. Behind the last of each part a hole was filled.
    await clickhouse.command(
      `INSERT INTO events_v1 (organization_id, session_id, epoch, sequence, fill, producer, type, message, size, ingested_at)
       SELECT '${organizationId}', if(number % 10 = 9, '${other}', '${sessionId}'), 1, least(number + ${part * rows}, ${(part + 1) * rows - 1001}),
         if(number < ${rows - 1001}, 0, number - ${rows - 1001}), 'session', ['usage', 'reasoning'][number % 2 + 1], '', 0, '2026-11-01 00:00:00'
       FROM numbers(${rows}) SETTINGS max_insert_threads = 1, max_block_size = ${rows}, min_insert_block_size_rows = ${rows}`,
    );
  }
});

afterAll(async () => {
  await lifetime.close();
  await scratch.remove();
});

const question = (change: Partial<HistoryQuestion>): HistoryQuestion => ({
  ...{ organizationId, sessionId, after: { epoch: 0, sequence: 0 }, stored: { epoch: 1, sequence: count } },
  ...{ types: [], rowsMax: 200, bytesMax: 4_000_000 },
  ...change,
});

describe('of a session with a million events', () => {
  test.each<[string, Partial<HistoryQuestion>]>([
    ['the first page', {}],
    ['a page in the middle', { after: { epoch: 1, sequence: count / 2 } }],
    ['the last page', { after: { epoch: 1, sequence: count - 1001, fill: 500 } }],
    ['a page in a hole that was filled', { after: { epoch: 1, sequence: count / 2 - 1001, fill: 400 } }],
    ['a page of a type', { after: { epoch: 1, sequence: count / 2 }, types: ['usage'] }],
    [
      'a page of a fork',
      { sessionId: newId('session'), inherited: [{ sessionId, upTo: { epoch: 1, sequence: count / 2 } }] },
    ],
    [
      'the last page of what a fork has inherited',
      {
        ...{ sessionId: other, after: { epoch: 1, sequence: count / 2 - 2_000 } },
        inherited: [{ sessionId, upTo: { epoch: 1, sequence: count / 2 - 1_950 } }],
      },
    ],
  ])('%s reads so much alone', async (_, change) => {
    let events = 0;
    const rows = await rowsReadBy(clickhouse, async (reader) => {
      events = (await readHistory(reader, question(change))).events.length;
    });
    expect(events).toBe(200);
    expect(rows).toBeLessThanOrEqual(pageRowsMax);
  });

  test('what was stored twice is on the pages once, wherever they end', async () => {
    await clickhouse.command(
      `INSERT INTO events_v1 SELECT * FROM events_v1 WHERE session_id = '${sessionId}' AND epoch = 1 AND sequence < 40`,
    );
    for (const rowsMax of [1, 2, 3, 7, 300]) {
      const seen: Cursor[] = [];
      for (let after: Cursor = { epoch: 0, sequence: 0 }; seen.length < 60; ) {
        const page = await readHistory(clickhouse, question({ after, rowsMax }));
        expect(page.complete).toBe(false);
        seen.push(...page.events.map(({ cursor }) => cursor));
        after = page.next;
      }
      const sequences = seen.slice(0, 60).map(({ sequence }) => sequence);
      expect(sequences).toEqual(
        Array.from({ length: 100 }, (_, index) => index)
          .filter((sequence) => sequence % 10 !== 9)
          .slice(0, 60),
      );
    }
  });
});
