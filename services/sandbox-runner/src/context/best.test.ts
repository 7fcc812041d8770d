import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createBest } from './best.ts';

test('the best are those that sorting all would give, the first of equal ones first', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 60 }), fc.nat(20), (scores, countMax) => {
      const best = createBest<number>(countMax);
      for (const [index, score] of scores.entries()) best.add(score, index);
      const sorted = scores.map((score, value) => ({ score, value })).toSorted((one, two) => two.score - one.score);
      expect(best.list()).toEqual(sorted.slice(0, countMax));
    }),
  );
});
