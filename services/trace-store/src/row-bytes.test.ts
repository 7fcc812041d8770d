import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Cell, readRowBinary, tabSeparated } from './row-bytes.ts';

const special = fc.constantFrom(9, 10, 13, 92, 0, 110, 116, 255, 123);
const bytes = fc.uint8Array({ maxLength: 200 });
const cell: fc.Arbitrary<Cell> = fc.oneof(
  fc.string(),
  fc.nat(),
  fc.constant(null),
  bytes,
  fc.array(special, { maxLength: 100 }).map((values) => Uint8Array.from(values)),
);

test('a line has a cell between tabs for each value, whatever bytes that holds', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }).chain(rowsOfWidth), (rows) => {
      const lines = tabSeparated(rows);
      // Hints to ClickHouse's own test runner begin with one.
      expect(lines.includes('{')).toBe(false);
      const read = parse(lines);
      expect(read).toEqual(rows.map((row) => row.map(text)));
    }),
  );
});

function rowsOfWidth(width: number): fc.Arbitrary<Cell[][]> {
  return fc.array(fc.array(cell, { minLength: width, maxLength: width }), { maxLength: 5 });
}

function text(given: Cell): string | null {
  if (given === null) return null;
  return (typeof given === 'object' ? Buffer.from(given) : Buffer.from(String(given))).toString('latin1');
}

function parse(lines: Buffer): (string | null)[][] {
  const unescape = (value: string) =>
    value === '\\N'
      ? null
      : value.replaceAll(
          /\\(x7B|.)/g,
          (_, letter: string) => ({ t: '\t', n: '\n', r: '\r', x7B: '{' })[letter] ?? letter,
        );
  return lines
    .toString('latin1')
    .split('\n')
    .slice(0, -1)
    .map((line) => line.split('\t').map(unescape));
}

test('numbers and bytes are read one after the other until the end', () => {
  const long = Buffer.alloc(300, 'x');
  const number = Buffer.alloc(8);
  number.writeBigUInt64LE(2n ** 53n - 1n);
  const reader = readRowBinary(Buffer.concat([number, Buffer.from([0xac, 0x02]), long, Buffer.from([0])]));
  expect(reader.number()).toBe(2 ** 53 - 1);
  expect(reader.bytes()).toEqual(long);
  expect(reader.bytes()).toEqual(Buffer.alloc(0));
  expect(reader.isAtEnd()).toBe(true);
});

test('what is cut off, or no exact number, is refused', () => {
  expect(() => readRowBinary(Buffer.from([5, 1, 2])).bytes()).toThrow('cut off');
  expect(() => readRowBinary(Buffer.alloc(4)).number()).toThrow();
  expect(() => readRowBinary(Buffer.alloc(8, 255)).number()).toThrow('no exact number');
});
