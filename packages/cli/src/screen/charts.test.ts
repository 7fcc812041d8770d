import { expect, test } from 'vitest';
import { bar, sparkline, startsBetween } from './charts.ts';

test('a bar is as long as its part of the greatest, and what is more than nothing is seen', () => {
  expect([0, 1, 2, 3, 4, 1_000].map((value) => bar(value, 4, 2))).toEqual(['', '▌', '█', '█▌', '██', '██']);
  expect(bar(1, 1e9, 10)).toBe('▏');
  expect([bar(1, 0, 10), bar(Number.NaN, 1, 10), bar(-1, 1, 10)]).toEqual(['', '', '']);
});

test('a line has a column for each value', () => {
  expect(sparkline([0, 1, 4, 8, 0, 0.01])).toBe(' ▁▄█ ▁');
  expect(sparkline([0, 0])).toBe('  ');
  expect(sparkline([])).toBe('');
});

test('every interval between two is there, the latest ones where there are too many', () => {
  const day = (text: string) => `${text}T00:00:00.000Z`;
  expect(startsBetween('day', [day('2026-03-01'), day('2026-02-27')], 9)).toEqual(
    ['2026-02-27', '2026-02-28', '2026-03-01'].map(day),
  );
  expect(startsBetween('week', [day('2026-01-05'), day('2025-12-22')], 2)).toEqual(
    ['2025-12-29', '2026-01-05'].map(day),
  );
  expect(startsBetween('month', [day('2026-01-01'), day('2025-11-01')], 9)).toHaveLength(3);
  expect(startsBetween('hour', ['2026-01-01T01:00:00.000Z', '2025-12-31T23:00:00.000Z'], 9)).toHaveLength(3);
  expect(startsBetween('day', [], 9)).toEqual([]);
});
