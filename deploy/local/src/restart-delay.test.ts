import { expect, test } from 'vitest';
import { countFailure, restartDelayMs } from './restart-delay.ts';

test('the delay doubles from 0.2 s and never exceeds 10 s', () => {
  const delays = [1, 2, 3, 4, 5, 6, 7, 8, 50, 5_000].map(restartDelayMs);
  expect(delays).toEqual([200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000, 10_000, 10_000]);
});

test('a process that was ready for half a minute starts over with its delays', () => {
  expect(countFailure(6, 30_000)).toBe(1);
  expect(countFailure(6, 29_999)).toBe(7);
});
