import fc from 'fast-check';
import { expect, test } from 'vitest';
import { combined, type SummaryRow } from './summary-rows.ts';

const value = fc.option(fc.nat({ max: 2 }), { nil: null });
const rows: fc.Arbitrary<SummaryRow[]> = fc.array(
  fc.record(
    { id: fc.nat({ max: 3 }), a: value, b: value, c: value },
    { requiredKeys: ['id'] },
  ) as fc.Arbitrary<SummaryRow>,
  { maxLength: 12 },
);

/** What a table that keeps the highest value of each column has of them. */
function highest(all: readonly SummaryRow[]): Record<string, Record<string, number>> {
  const merged: Record<string, Record<string, number>> = {};
  for (const { id, ...columns } of all) {
    const one = (merged[String(id)] ??= {});
    for (const [name, told] of Object.entries(columns)) {
      if (told !== null) one[name] = Math.max(one[name] ?? 0, told as number);
    }
  }
  return merged;
}

test('rows of one thing come to the same, in fewer rows', () => {
  fc.assert(
    fc.property(rows, (given) => {
      const before = structuredClone(given);
      const fewer = combined(given, ['id']);
      expect(highest(fewer)).toEqual(highest(given));
      expect(fewer.length).toBeLessThanOrEqual(given.length);
      expect(given).toEqual(before);
    }),
  );
  const told: SummaryRow[] = [{ id: 1, a: 1 }, { id: 2 }, { id: 1, b: 2 }, { id: 1, a: null, c: 3 }, { id: 1, a: 2 }];
  expect(combined(told, ['id'])).toEqual([{ id: 1, a: 1, b: 2, c: 3 }, { id: 2 }, { id: 1, a: 2 }]);
});
