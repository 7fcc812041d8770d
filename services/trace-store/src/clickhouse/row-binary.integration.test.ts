// Rows as RowBinary, by what ClickHouse reads of them.

import { createLifetime, type Lifetime } from '@worktrail/runtime/lifetime';
import { createLogger } from '@worktrail/runtime/log';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import fc from 'fast-check';
import { readdir } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ClickHouse, openClickHouse } from './store.ts';
import { binaryRows, type Column } from './row-binary.ts';
import { dateTimeText } from './sql-text.ts';

let scratch: Scratch;
let lifetime: Lifetime;
let clickhouse: ClickHouse;

beforeAll(async () => {
  scratch = await makeScratch('row-binary');
  lifetime = createLifetime(createLogger({ service: 'test', level: 'silent' }));
  clickhouse = await openClickHouse({ kind: 'embedded', path: `${scratch.path}/clickhouse` }, lifetime);
  await clickhouse.command(`CREATE TABLE t (
    name LowCardinality(String), text String, bytes String, small UInt16, medium UInt32, large UInt64, signed Nullable(Int32),
    amount Nullable(UInt64), part Float64, time DateTime64(3, 'UTC'), batch String, number UInt32
  ) ENGINE = MergeTree ORDER BY (batch, number) SETTINGS non_replicated_deduplication_window = 100`);
});

afterAll(async () => {
  await lifetime.close();
  await scratch.remove();
});

interface Row {
  name: string;
  text: string;
  bytes: Uint8Array;
  small: number;
  medium: number;
  large: number;
  signed: number | null;
  amount: number | null;
  part: number;
  time: Date;
}

const columns: readonly Column<Row>[] = [
  { name: 'time', put: (to, row) => to.time(row.time) },
  { name: 'name', put: (to, row) => to.text(row.name) },
  { name: 'text', put: (to, row) => to.text(row.text) },
  { name: 'bytes', put: (to, row) => to.bytes(row.bytes) },
  { name: 'small', put: (to, row) => to.uint16(row.small) },
  { name: 'medium', put: (to, row) => to.uint32(row.medium) },
  { name: 'large', put: (to, row) => to.uint64(row.large) },
  { name: 'signed', put: (to, row) => to.optional(row.signed, to.int32) },
  { name: 'amount', put: (to, row) => to.optional(row.amount, to.uint64) },
  { name: 'part', put: (to, row) => to.float64(row.part) },
];

const wellFormed = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 80 }),
  fc.string({ unit: 'binary-ascii', maxLength: 200 }),
  fc.constantFrom(
    '-- { echo }',
    'x'.repeat(48),
    `${'x'.repeat(47)}ü`,
    'y'.repeat(127),
    'y'.repeat(128),
    'ü'.repeat(20_000),
  ),
);
const rows: fc.Arbitrary<Row[]> = fc.array(
  fc.record({
    name: fc.constantFrom('', 'a', 'ü{', 'long'.repeat(30)),
    text: wellFormed,
    bytes: fc.uint8Array({ maxLength: 300 }),
    small: fc.nat({ max: 0xffff }),
    medium: fc.nat({ max: 2 ** 32 - 1 }),
    large: fc.maxSafeNat(),
    signed: fc.option(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })),
    amount: fc.option(fc.maxSafeNat()),
    part: fc.double({ noNaN: true, noDefaultInfinity: true }),
    time: fc.date({ min: new Date(0), max: new Date('2200-01-01'), noInvalidDate: true }),
  }),
  { minLength: 1, maxLength: 60 },
);

test('what is written is read', async () => {
  let batch = 0;
  await fc.assert(
    fc.asyncProperty(rows, fc.constantFrom(0, 100_000), async (given, bytesExpected) => {
      const own = `${batch++}`;
      const numbered = given.map((row, index) => ({ ...row, index }));
      const all: Column<(typeof numbered)[number]>[] = [
        ...columns,
        { name: 'batch', put: (to) => to.text(own) },
        { name: 'number', put: (to, { index }) => to.uint32(index) },
      ];
      const binary = binaryRows(all, numbered, bytesExpected);
      for (const _ of [1, 2]) await clickhouse.insertBinary('t', binary, own);
      const read = await clickhouse.rows(
        `SELECT name, text, hex(bytes) AS bytes, small, medium, toString(large) AS large, signed, toString(amount) AS amount,
           hex(reinterpretAsString(reinterpretAsUInt64(part))) AS part, toString(time) AS time
         FROM t WHERE batch = '${own}' ORDER BY number`,
      );
      const expected = given.map((row) => ({
        ...row,
        bytes: Buffer.from(row.bytes).toString('hex').toUpperCase(),
        large: String(row.large),
        amount: row.amount === null ? null : String(row.amount),
        part: bitsOf(row.part),
        time: dateTimeText(row.time),
      }));
      expect(read).toEqual(expected);
    }),
    { numRuns: 40 },
  );
  expect(await readdir(`${scratch.path}/clickhouse-rows`)).toEqual([]);
});

/** Little endian, without the zeros at its end: as ClickHouse gives the bytes of a number. */
function bitsOf(value: number): string {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes
    .toString('hex')
    .toUpperCase()
    .replace(/(00)+$/, '');
}

test('a number that the column cannot hold is refused before anything is sent', () => {
  const put = (name: string, write: Column<number>['put']) => (value: number) =>
    binaryRows([{ name, put: write }], [value], 10);
  for (const value of [-1, 1.5, Number.NaN, 2 ** 53]) {
    expect(() => put('large', (to, given) => to.uint64(given))(value)).toThrow(RangeError);
  }
  expect(() => put('small', (to, given) => to.uint16(given))(65_536)).toThrow(RangeError);
  expect(() => put('signed', (to, given) => to.int32(given))(2 ** 31)).toThrow(RangeError);
  expect(() => put('time', (to, given) => to.time(new Date(given)))(Number.NaN)).toThrow(RangeError);
});

test('rows that ClickHouse does not take fail, leave no file, and the next ones are taken', async () => {
  const torn = { columns: ['text', 'batch'], rows: Buffer.of(200, 1) };
  await expect(clickhouse.insertBinary('t', torn, 'torn')).rejects.toThrow();
  await clickhouse.insertBinary('t', { columns: ['text', 'batch'], rows: Buffer.of(1, 0x61, 1, 0x7a) }, 'whole');
  expect(await clickhouse.rows(`SELECT text FROM t WHERE batch = 'z'`)).toEqual([{ text: 'a' }]);
  expect(await readdir(`${scratch.path}/clickhouse-rows`)).toEqual([]);
});
