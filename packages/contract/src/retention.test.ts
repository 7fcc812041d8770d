import fc from 'fast-check';
import { expect, test } from 'vitest';
import { effectiveRetention, retentionKinds } from './retention.ts';

const days = fc.option(fc.integer({ min: 1, max: 1_000 }), { nil: null });
const forEver = (value: number | null) => value ?? Number.POSITIVE_INFINITY;

test('nothing is kept longer than the operator allows or the organization says', () => {
  const said = fc.record({ eventsDays: days, outputDays: days, auditDays: days });
  const ceilings = fc.record({ eventsDaysMax: days, outputDaysMax: days, auditDaysMax: days });
  fc.assert(
    fc.property(fc.option(said, { nil: undefined }), ceilings, (asked, most) => {
      const found = effectiveRetention(asked, most);
      for (const kind of retentionKinds) {
        const bounds = [asked?.[`${kind}Days`] ?? null, most[`${kind}DaysMax`]];
        expect(forEver(found[`${kind}Days`])).toBe(Math.min(...bounds.map(forEver)));
      }
    }),
  );
});
