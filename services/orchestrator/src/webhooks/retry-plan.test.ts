import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { retryDelayMs, triedForMs } from './retry-plan.ts';

const eventId = fc.string();

describe('a delivery that failed', () => {
  it('is tried again soon, then less often, and at least every 36 minutes', () => {
    fc.assert(
      fc.property(eventId, fc.integer({ min: 1, max: 500 }), (id, attempt) => {
        const delay = retryDelayMs(attempt, 0, { eventId: id })!;
        expect(delay).toBeGreaterThanOrEqual(800);
        expect(delay).toBeLessThanOrEqual(36 * 60_000);
        if (attempt === 1) expect(delay).toBeLessThanOrEqual(1_200);
      }),
    );
  });

  it('is tried no more once three days are over, however long the receiver asks it to wait', () => {
    fc.assert(
      fc.property(eventId, fc.integer({ min: 0, max: 86_400_000 }), (id, retryAfterMs) => {
        let sinceMs = 0;
        let attempt = 1;
        for (; ; attempt++) {
          const delay = retryDelayMs(attempt, sinceMs, { eventId: id, retryAfterMs });
          if (delay === undefined) break;
          expect(delay).toBeGreaterThanOrEqual(retryAfterMs);
          sinceMs += delay;
        }
        expect(sinceMs).toBeLessThanOrEqual(triedForMs);
        expect(attempt).toBeLessThan(200);
      }),
    );
  });
});
