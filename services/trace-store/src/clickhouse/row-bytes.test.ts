import { expect, test } from 'vitest';
import { readRowBinary } from './row-bytes.ts';

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
