// The engine's blocks as a client's protocol has them: compared with a reader of its own, for every type that a statement can have.

import { createLifetime, type Lifetime } from '@worktrail/runtime/lifetime';
import { createLogger } from '@worktrail/runtime/log';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { quoteString } from '../clickhouse/sql-text.ts';
import { type ClickHouse, openClickHouse } from '../clickhouse/store.ts';
import { QueryRefused } from './confinement.ts';
import { emptyBlock, nativeAt } from './native-blocks.ts';

let scratch: Scratch;
let lifetime: Lifetime;
let engine: ClickHouse;

beforeAll(async () => {
  scratch = await makeScratch('native-blocks');
  lifetime = createLifetime(createLogger({ service: 'test', level: 'silent' }));
  engine = await openClickHouse({ kind: 'embedded', path: `${scratch.path}/clickhouse` }, lifetime);
});
afterAll(async () => {
  await lifetime?.close();
  await scratch?.remove();
});

async function* cut(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** The engine's blocks. */
async function blocksOf(sql: string): Promise<Buffer[]> {
  const bounds = { seconds: 20, memoryBytes: 400 * 1024 ** 2, threads: 1 };
  return await engine.confined(bounds, async (connection) => {
    const blocks: Buffer[] = [];
    for await (const piece of connection.stream(sql, 'Native')) blocks.push(Buffer.from(piece));
    return blocks;
  });
}

async function written(blocks: readonly Buffer[], revision: number, pieceSize = 1_000_000): Promise<Buffer> {
  const out: Uint8Array[] = [];
  for await (const piece of nativeAt(revision, cut(Buffer.concat(blocks), pieceSize))) out.push(Buffer.from(piece));
  return Buffer.concat(out);
}

const info = Buffer.from('010002ffffffff00', 'hex');
const mark = Buffer.from('\x04mark\x05UInt8');
const zero = Buffer.from([0]);
const values = [
  'toUInt8(number)',
  "toString(number) || repeat('x', number % 300)",
  "toFixedString('ab', 3)",
  'toNullable(number)',
  'NULL',
  'toLowCardinality(toString(number % 7))',
  'toLowCardinality(toNullable(toString(number % 3)))',
  'range(number % 5)',
  'arrayMap(x -> range(x), range(number % 4))',
  'arrayMap(x -> toLowCardinality(toString(x)), range(number % 4))',
  'CAST([], $$Array(LowCardinality(String))$$)',
  "map('k', number, toString(number), 2)",
  "map('k', toLowCardinality('v'))",
  "tuple(number, 'x', [toNullable('y')])",
  "CAST((1, 'x'), $$Tuple(a UInt8, `b c` String)$$)",
  "[(1, 'a'), (2, 'b')]",
  'toDecimal32(1.5, 2) + number',
  'toDecimal64(1.5, 2)',
  'toDecimal128(1.5, 2)',
  "CAST('1', $$Decimal(76, 3)$$)",
  "now64(3, 'UTC')",
  "toDateTime(number, 'Europe/Berlin')",
  'toDate(number)',
  "toDate32('1950-01-01')",
  `CAST('a, (b', ${quoteString("Enum8('a, (b' = 1, 'c\\'' = 2)")})`,
  `CAST('x', ${quoteString("Enum16('x' = 1000)")})`,
  "CAST('61f0c404-5cb3-11e7-907b-a6006ad3dba0', 'UUID')",
  "CAST('1.2.3.4', 'IPv4')",
  "CAST('::1', 'IPv6')",
  'CAST(1, $$UInt256$$)',
  'CAST(1, $$Int128$$)',
  'toFloat32(1)',
  'toFloat64(1)',
  'true',
  'toIntervalDay(1)',
];

/** Of a block of `a` and `mark`: where the type of `a` ends. */
function typeEnd(block: Buffer): number {
  let at = 1;
  while (block[at]! > 0x7f) at += 1;
  at += 3;
  expect(block.subarray(at - 2, at).toString()).toBe('\x01a');
  let [length, factor] = [0, 1];
  do [length, factor] = [length + (block[at]! & 0x7f) * factor, factor * 0x80];
  while (block[at++]! > 0x7f);
  return at + length;
}

test.each(values)('a block of %s', async (value) => {
  const expression = value.replaceAll('$$', "'");
  const rows = '(SELECT arrayJoin(range(1000)) AS number)';
  const blocks = await blocksOf(
    `SELECT ${expression} AS a, toUInt8(42) AS mark FROM ${rows} SETTINGS max_block_size = 300`,
  );
  const expected = blocks.map((block) => {
    const [first, second] = [typeEnd(block), block.lastIndexOf(mark) + mark.length];
    return Buffer.concat([
      info,
      block.subarray(0, first),
      zero,
      block.subarray(first, second),
      zero,
      block.subarray(second),
    ]);
  });
  for (const size of [1_000_000, 97]) {
    expect((await written(blocks, 54_460, size)).equals(Buffer.concat(expected))).toBe(true);
    const older = Buffer.concat(blocks.flatMap((block) => [info, block]));
    expect((await written(blocks, 54_405, size)).equals(older)).toBe(true);
    expect((await written(blocks, 0, size)).equals(Buffer.concat(blocks))).toBe(true);
  }
});

test('a block without rows is what the engine would write', async () => {
  const columns = [
    { name: 'a', type: 'UInt8' },
    { name: 'mark', type: 'LowCardinality(String)' },
  ];
  expect(emptyBlock(columns, 0).toString()).not.toContain(info.toString());
  const plain = Buffer.from(emptyBlock(columns, 0));
  expect((await written([plain], 54_460)).equals(Buffer.from(emptyBlock(columns, 54_460)))).toBe(true);
  expect((await written([plain], 54_405)).equals(Buffer.from(emptyBlock(columns, 54_405)))).toBe(true);
});

test('a type of which it is not known where its values end is refused, and so is a block that ends too early', async () => {
  const variant = await blocksOf("SELECT CAST(1, 'Variant(String, UInt8)') AS a, toUInt8(42) AS mark");
  await expect(written(variant, 54_460)).rejects.toThrow(QueryRefused);
  const [block] = await blocksOf('SELECT 1 AS a, toUInt8(42) AS mark');
  await expect(written([block!.subarray(0, -1)], 54_460)).rejects.toThrow('the answer ends within a block');
});
