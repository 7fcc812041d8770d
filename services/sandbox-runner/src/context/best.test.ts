import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createBest } from './best.ts';

test('the best are those that sorting all would give, whatever the order in which they come', () => {
  const values = fc.array(fc.tuple(fc.nat(9), fc.nat(1_000)), { maxLength: 60 });
  fc.assert(
    fc.property(values, fc.nat(20), (scored, countMax) => {
      const best = createBest<number>(countMax);
      for (const [score, place] of scored) best.add(score, place, place);
      const sorted = scored.toSorted(([one, first], [two, second]) => two - one || first - second);
      expect(best.list()).toEqual(sorted.slice(0, countMax).map(([score, value]) => ({ score, value })));
    }),
  );
});
