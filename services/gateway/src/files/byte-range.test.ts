import { expect, test } from 'vitest';
import { isNamed, readByteRange } from './byte-range.ts';

test('a range is read as HTTP means it', () => {
  expect(readByteRange('bytes=0-9')).toEqual({ offset: 0, length: 10 });
  expect(readByteRange('bytes=5-')).toEqual({ offset: 5, length: null });
  expect(readByteRange('bytes= 5 - 5')).toEqual({ offset: 5, length: 1 });
  expect(readByteRange('bytes=-7')).toEqual({ offset: -7, length: null });
  expect(readByteRange('bytes=-0')?.offset).toBe(Number.MAX_SAFE_INTEGER);
  expect(readByteRange('bytes=99999999999999999999-')?.offset).toBe(Number.MAX_SAFE_INTEGER - 1);
});

test('what is no single range is as if nothing was asked', () => {
  for (const header of [
    null,
    '',
    'bytes=',
    'bytes=-',
    'bytes=9-5',
    'bytes=0-1,5-6',
    'lines=1-2',
    'bytes=a-b',
    'bytes=-1-2',
  ]) {
    expect(readByteRange(header)).toBeUndefined();
  }
});

test('a content is named among others, weakly too, or by all', () => {
  expect(isNamed('"a", W/"b"', '"b"')).toBe(true);
  expect(isNamed('*', '"b"')).toBe(true);
  expect(isNamed('"a"', '"b"')).toBe(false);
  expect([isNamed(null, '"b"'), isNamed('"b"', null)]).toEqual([false, false]);
});
