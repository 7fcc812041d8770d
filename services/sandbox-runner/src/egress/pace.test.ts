import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createPace } from './pace.ts';

test('some hundred come at once, the following ones at their pace, and after a rest it is as at first', () => {
  let nowMs = 0;
  const pace = createPace(() => nowMs);
  const take = (count: number) => Array.from({ length: count }, () => pace.takeMs());
  expect(take(400)).toEqual(Array(400).fill(0));
  expect(take(3)).toEqual([5, 10, 15]);
  nowMs = 10_000;
  expect(take(400)).toEqual(Array(400).fill(0));
});

test('however they come, in no second more are taken up than may be at once and in a second', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 20 }), { maxLength: 1_500 }), (gaps) => {
      let nowMs = 0;
      const pace = createPace(() => nowMs);
      const taken = gaps.map((gap) => {
        nowMs += gap >> 2;
        return nowMs + pace.takeMs();
      });
      taken.forEach((at, index) =>
        expect(taken[index + 600] ?? Number.POSITIVE_INFINITY).toBeGreaterThanOrEqual(at + 1_000),
      );
    }),
  );
});
