import { expect, test } from 'vitest';
import { durationBetween, formatAge, formatBytes, formatDuration } from './quantities.ts';

test.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1.0 KiB'],
  [1024 * 1024 - 1, '1.0 MiB'],
  [5.5 * 1024 ** 3, '5.5 GiB'],
  [2048 * 1024 ** 4, '2048.0 TiB'],
])('%d bytes read "%s"', (bytes, text) => expect(formatBytes(bytes)).toBe(text));

test.each([
  [12, '12 ms'],
  [1_240, '1.2 s'],
  [59_960, '1 min 0 s'],
  [61_000, '1 min 1 s'],
  [3_660_000, '1 h 1 min'],
])('%d ms read "%s"', (ms, text) => expect(formatDuration(ms)).toBe(text));

test('a duration needs both ends, and is never negative', () => {
  expect(durationBetween(null, '2026-01-01T00:00:00.000Z')).toBe('');
  expect(durationBetween('2026-01-01T00:00:01.000Z', '2026-01-01T00:00:00.000Z')).toBe('0 ms');
});

test('an age is told in the largest unit that fits', () => {
  const nowMs = Date.parse('2026-01-03T00:00:00.000Z');
  const ago = (seconds: number) => formatAge(new Date(nowMs - seconds * 1000).toISOString(), nowMs);
  expect([ago(5), ago(65), ago(7300), ago(3 * 86_400)]).toEqual(['5 s ago', '1 min ago', '2 h ago', '3 d ago']);
  expect(formatAge(null, nowMs)).toBe('');
});
