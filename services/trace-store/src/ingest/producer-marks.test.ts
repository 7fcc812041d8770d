import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ClickHouseReader } from '../clickhouse/store.ts';
import type { ParsedEvent } from './parse-event.ts';
import { createProducerMarks, type ProducerMarks } from './producer-marks.ts';

function parsed(session: string, producer: string, number: number): ParsedEvent {
  return { producerKey: `org.${session}.${producer}`, sessionKey: `org.${session}`, number } as ParsedEvent;
}

/** Answers as ClickHouse does from what it is told is stored, and counts the questions. */
function reader(
  stored: Map<string, number>,
): Pick<ClickHouseReader, 'rows'> & { questions: number; longest: number; most: number } {
  const listed = (sql: string, column: string) => {
    const list = new RegExp(`${column} IN \\(([^)]*)\\)`).exec(sql)?.[1];
    return list === undefined ? undefined : new Set(list.split(', ').map((one) => one.slice(1, -1)));
  };
  const answering = {
    ...{ questions: 0, longest: 0, most: 0 },
    rows: async <Row>(sql: string) => {
      answering.questions++;
      answering.longest = Math.max(answering.longest, sql.length);
      const [sessions, producers] = [listed(sql, 'session_id')!, listed(sql, 'producer')];
      const limit = /LIMIT (?<each>\d+) BY o, s LIMIT (?<all>\d+)/.exec(sql)?.groups;
      const [ofEach, ofAll] = [limit?.['each'] ?? Infinity, limit?.['all'] ?? Infinity];
      const given = new Map<string, number>();
      const rows = [...stored].flatMap(([key, highest]) => {
        const [o, s, p] = key.split('.') as [string, string, string];
        if (!sessions.has(s) || (producers && !producers.has(p))) return [];
        given.set(s, (given.get(s) ?? 0) + 1);
        return given.get(s)! > Number(ofEach) ? [] : [{ o, s, p, highest: String(highest) }];
      });
      answering.most = Math.max(answering.most, rows.length);
      return rows.slice(0, Number(ofAll)) as Row[];
    },
  };
  return answering;
}

/** As a sink does. */
async function store(marks: ProducerMarks, stored: Map<string, number>, events: readonly ParsedEvent[]) {
  await marks.load(events);
  for (const { producerKey, number } of events) stored.set(producerKey, number);
  marks.advance(events);
}

test('a session is looked up once; a new producer of it needs no look-up', async () => {
  const clickhouse = reader(new Map([['org.a.x', 7]]));
  const marks = createProducerMarks(clickhouse);
  const batch = [parsed('a', 'x', 8), parsed('a', 'y', 1)];
  expect([...(await marks.load(batch))]).toEqual([['org.a.x', 7]]);
  marks.advance(batch);
  const later = await marks.load([parsed('a', 'x', 9), parsed('a', 'y', 2), parsed('a', 'z', 1)]);
  expect([...later]).toEqual([
    ['org.a.x', 8],
    ['org.a.y', 1],
  ]);
  expect(clickhouse.questions).toBe(1);
});

test('what was forgotten for space is looked up again', async () => {
  const clickhouse = reader(new Map([['org.a.x', 3]]));
  const marks = createProducerMarks(clickhouse, 1);
  await marks.load([parsed('a', 'x', 4)]);
  await marks.load([parsed('b', 'x', 1)]);
  marks.advance([parsed('b', 'x', 1)]);
  expect((await marks.load([parsed('a', 'x', 4)])).get('org.a.x')).toBe(3);
  expect(clickhouse.questions).toBe(3);
});

test('a session that was forgotten between its look-up and the storing of its block is not taken for known', async () => {
  const stored = new Map([
    ['org.a.x', 3],
    ['org.a.y', 5],
  ]);
  const marks = createProducerMarks(reader(stored), 16);
  await marks.load([parsed('a', 'x', 4), parsed('b', 'x', 1)]);
  for (let index = 0; index < 20; index++) await store(marks, stored, [parsed(`other-${index}`, 'x', 1)]);
  marks.advance([parsed('a', 'x', 4)]);
  expect((await marks.load([parsed('a', 'y', 5)])).get('org.a.y')).toBe(5);
});

test('of a session with more producers than are remembered, a batch costs one statement where it has unknown ones, and none else', async () => {
  const stored = new Map(Array.from({ length: 30_000 }, (_, index) => [`org.big.p${index}`, 9]));
  const clickhouse = reader(stored);
  const marks = createProducerMarks(clickhouse, 8_000);
  await store(marks, stored, [parsed('small', 'x', 1)]);
  await store(marks, stored, [parsed('big', 'p0', 10)]);
  // The session, of which no more is asked for than tells that it is too large, and the one producer.
  expect(clickhouse.questions).toBe(3);
  expect(clickhouse.most).toBe(1_001);
  for (let batch = 0; batch < 30; batch++) {
    clickhouse.questions = 0;
    await store(
      marks,
      stored,
      Array.from({ length: 500 }, (_, index) => parsed('big', `n${batch}-${index % 100}`, 1 + Math.floor(index / 100))),
    );
    expect(clickhouse.questions).toBe(1);
    await store(marks, stored, [parsed('big', `n${batch}-7`, 6), parsed('small', `n${batch}`, 1)]);
    expect(clickhouse.questions).toBe(1);
  }
  // A first event that comes again.
  expect((await marks.load([parsed('big', 'n0-3', 1)])).get('org.big.n0-3')).toBe(5);
});

test('20,000 unknown producers at once are asked for in statements of a bounded length', async () => {
  const stored = new Map(
    Array.from({ length: 20_000 }, (_, index) => [`org.big.${'p'.repeat(30)}${index}`, index + 1]),
  );
  const clickhouse = reader(stored);
  const marks = createProducerMarks(clickhouse, 800);
  const found = await marks.load([...stored.keys()].map((key) => parsed('big', key.split('.')[2]!, 1)));
  expect(found).toEqual(stored);
  expect(clickhouse.questions).toBe(21);
  expect(clickhouse.longest).toBeLessThan(200_000);
});

test('marks are those of a plain map, whatever is remembered', async () => {
  const event = fc.tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 20 }));
  const batches = fc.array(fc.array(event, { minLength: 1, maxLength: 12 }), { maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(batches, fc.integer({ min: 1, max: 60 }), fc.nat(3), async (all, producersMax, cut) => {
      const stored = new Map<string, number>();
      const marks = createProducerMarks(reader(stored), producersMax);
      for (const batch of all) {
        const next = new Map<string, number>();
        const events = batch.map(([session, producer]) => {
          const key = `org.s${session}.p${producer}`;
          next.set(key, (next.get(key) ?? stored.get(key) ?? 0) + 1);
          return parsed(`s${session}`, `p${producer}`, next.get(key)!);
        });
        const expected = [...next.keys()]
          .filter((key) => stored.has(key))
          .map((key) => [key, stored.get(key)] as const);
        expect(await marks.load(events)).toEqual(new Map(expected));
        // Stored in blocks.
        for (const block of [events.slice(0, cut), events.slice(cut)]) {
          for (const { producerKey, number } of block) stored.set(producerKey, number);
          marks.advance(block);
        }
      }
    }),
    { numRuns: 300 },
  );
});
