import fc from 'fast-check';
import { expect, test } from 'vitest';
import { quantiles } from './quantiles.ts';

test('quantiles are values that were measured, in order, whatever the order of measuring', () => {
  expect(quantiles([5, 1, 4, 2, 3])).toEqual({ p50: 3, p95: 5, max: 5 });
  fc.assert(
    fc.property(fc.array(fc.double({ noNaN: true, min: 0 }), { minLength: 1 }), (values) => {
      const { p50, p95, max } = quantiles(values);
      expect(values).toContain(p50);
      expect(p50 <= p95 && p95 <= max).toBe(true);
      expect(quantiles(values.toReversed())).toEqual({ p50, p95, max });
    }),
  );
});
