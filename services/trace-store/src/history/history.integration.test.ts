// Histories where they are long: what a page reads does not depend on where it is.

import { newId } from '@worktrail/contract/ids';
import { createLifetime, type Lifetime } from '@worktrail/runtime/lifetime';
import { createLogger } from '@worktrail/runtime/log';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Cursor, compareCursors } from '@worktrail/contract/cursor';
import { type ClickHouse, openClickHouse } from '../clickhouse/store.ts';
import { createBeginnings } from './beginnings.ts';
import { type HistoryQuestion, readHistory } from './history.ts';
import { Stream } from '@worktrail/proto/event';
import { readOutput } from './command-output.ts';
import { rowsReadBy } from '../rows-read-fixture.ts';
import { applySchema } from '../clickhouse/schema.ts';

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

describe('of a command with 400,000 pieces of output', () => {
  const commandId = newId('command');
  const pieces = 400_000;
  /** To each stream in turn. */
  beforeAll(async () => {
    for (let part = 0; part < 2; part++) {
      await clickhouse.command(
        `INSERT INTO command_output_v1 (organization_id, session_id, command_id, position, stream, \`offset\`, epoch, sequence, size, body, ingested_at)
         SELECT '${organizationId}', '${sessionId}', '${commandId}', 1000 * n, ['stdout', 'stderr'][n % 2 + 1], 1000 * intDiv(n, 2), 1, n, 1000,
           repeat(toString(n % 10), 1000), '2026-11-01 00:00:00'
         FROM (SELECT number + ${(part * pieces) / 2} AS n FROM numbers(${pieces / 2}))`,
      );
    }
  });

  test.each([0, 200_000_500, 399_990_000])('what stands at %s reads so much alone', async (offset) => {
    const output = { organizationId, sessionId, commandId, stream: Stream.UNSPECIFIED, offset, limit: 5_000 };
    let text = '';
    const rows = await rowsReadBy(clickhouse, async (reader) => {
      text = Buffer.from((await readOutput(reader, output)).bytes).toString();
    });
    const expected = Array.from({ length: 5_000 }, (_, index) => Math.floor((offset + index) / 1000) % 10).join('');
    expect(text).toBe(expected);
    expect(rows).toBeLessThanOrEqual(pageRowsMax);
  });

  test('of one stream, too, is read in its order', async () => {
    const output = { organizationId, sessionId, commandId, stream: Stream.STDERR, offset: 100_000_500, limit: 2_000 };
    const { bytes, nextOffset, gaps } = await readOutput(clickhouse, output);
    expect(Buffer.from(bytes).toString()).toBe('1'.repeat(500) + '3'.repeat(1000) + '5'.repeat(500));
    expect({ nextOffset, gaps }).toEqual({ nextOffset: 100_002_500, gaps: [] });
  });
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

  test('a page of a type that there is not reads nothing for it', async () => {
    const rows = await rowsReadBy(clickhouse, async (reader) => {
      const page = await readHistory(reader, question({ types: ['turn.ended', 'checkpoint.created'] }));
      expect(page).toMatchObject({ events: [], complete: true, next: { epoch: 1, sequence: count } });
    });
    expect(rows).toBeLessThanOrEqual(pageRowsMax);
  });

  test('the first page reads in one part where it is known where the session begins', async () => {
    const beginnings = createBeginnings();
    for (const rowsMost of [pageRowsMax, pageRowsMax / parts]) {
      const rows = await rowsReadBy(clickhouse, async (reader) => {
        expect((await readHistory(reader, question({}), beginnings)).events).toHaveLength(200);
      });
      expect(rows).toBeLessThanOrEqual(rowsMost);
    }
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

test('a page of a long session among short ones reads so much alone', async () => {
  const long = newId('session');
  const [granule, granules] = [8_192, 50];
  // In one part, in nearly each granule of which another session begins.
  await clickhouse.command(
    `INSERT INTO events_v1 (organization_id, session_id, epoch, sequence, producer, type, message, size, ingested_at)
     SELECT '${organizationId}', if(number < ${3 * granule}, '${long}', 'short_' || toString(intDiv(number, ${granule}))), 1, number,
       'session', 'usage', '', 0, '2026-11-01 00:00:00'
     FROM numbers(${granules * granule})
     SETTINGS max_insert_threads = 1, max_block_size = ${granules * granule}, min_insert_block_size_rows = ${granules * granule}`,
  );
  // As after a start: the key is read from the disk.
  await clickhouse.command('SYSTEM UNLOAD PRIMARY KEY events_v1');
  const rows = await rowsReadBy(clickhouse, async (reader) => {
    const asked = question({ sessionId: long, after: { epoch: 1, sequence: 2.5 * granule } });
    expect((await readHistory(reader, asked)).events).toHaveLength(200);
  });
  expect(rows).toBeLessThanOrEqual(2 * granule);
});

describe('of a session whose events are far apart', () => {
  const rare = newId('session');
  const apart = 23_456;
  const cursors = Array.from({ length: 40 }, (_, index): Cursor => {
    const hole = index % 7 === 3 ? { fill: 5 } : {};
    return { epoch: index < 25 ? 1 : 2, sequence: (index + 1) * apart, ...hole };
  });
  const last = { epoch: 2, sequence: count + 10 * apart };

  beforeAll(async () => {
    const rows = cursors.map(({ epoch, sequence, fill = 0 }) => ({ epoch, sequence, fill }));
    const event = { organization_id: organizationId, session_id: rare, producer: 'session', type: 'usage' };
    const ingested_at = '2026-11-01 00:00:00';
    const columns = ['organization_id', 'session_id', 'producer', 'type', 'epoch', 'sequence', 'fill', 'ingested_at'];
    for (const half of [rows.slice(10), rows.slice(0, 10)]) {
      const values = half.map((row) => ({ ...event, ...row, ingested_at }));
      await clickhouse.insert('events_v1', columns as never, values);
    }
  });

  test.each([1, 3, 39, 200])('pages of %s have every one once, from any cursor', async (rowsMax) => {
    const beginnings = createBeginnings();
    for (const from of [{ epoch: 0, sequence: 0 }, cursors[3]!, { epoch: 1, sequence: 10 * apart - 1 }, cursors[26]!]) {
      const seen: Cursor[] = [];
      let after: Cursor = from;
      for (let complete = false; !complete; ) {
        const asked = question({ sessionId: rare, after, stored: last, rowsMax });
        const page = await readHistory(clickhouse, asked, beginnings);
        seen.push(...page.events.map(({ cursor }) => cursor));
        ({ complete, next: after } = page);
      }
      expect(seen).toEqual(cursors.filter((cursor) => compareCursors(cursor, from) > 0));
      expect(after).toEqual(last);
    }
  });

  test('are in the history of a fork up to where it was forked', async () => {
    const inherited = [{ sessionId: rare, upTo: cursors[30]! }];
    for (const after of [{ epoch: 0, sequence: 0 }, cursors[2]!]) {
      const asked = question({ sessionId: newId('session'), inherited, after, stored: last });
      const { events } = await readHistory(clickhouse, asked, createBeginnings());
      const expected = cursors.slice(0, 31).filter((cursor) => compareCursors(cursor, after) > 0);
      expect(events.map(({ cursor }) => cursor)).toEqual(expected);
    }
  });
});
