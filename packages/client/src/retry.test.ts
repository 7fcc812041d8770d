import fc from 'fast-check';
import { expect, test } from 'vitest';
import { apiErrorOf } from './api-error.ts';
import { backOffMs, canRepeat, retryDelayMs } from './retry.ts';

const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

test('a wait lies between half and all of its bound, which grows to 5 s and no further', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10_000 }), random, (attempt, chance) => {
      const delayMs = backOffMs(attempt, chance);
      const full = Math.min(5_000, 200 * 2 ** Math.min(attempt - 1, 16));
      expect(delayMs).toBeGreaterThanOrEqual(full / 2);
      expect(delayMs).toBeLessThanOrEqual(full);
    }),
  );
});

test('Retry-After is obeyed up to 30 s and never shortens a wait', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(100_000), fc.integer({ min: 1, max: 50 }), random, async (seconds, attempt, chance) => {
      const response = new Response('', { status: 503, headers: { 'retry-after': String(seconds) } });
      const delayMs = retryDelayMs(attempt, await apiErrorOf(response), chance);
      expect(delayMs).toBe(Math.min(30_000, Math.max(seconds * 1000, backOffMs(attempt, chance))));
    }),
  );
});

test('a POST is repeated only with an idempotency key, a PATCH only without a condition', () => {
  const none = new Headers();
  expect(canRepeat('POST', none)).toBe(false);
  expect(canRepeat('POST', new Headers({ 'idempotency-key': 'k' }))).toBe(true);
  expect(canRepeat('PATCH', none)).toBe(true);
  expect(canRepeat('PATCH', new Headers({ 'if-match': '"e"' }))).toBe(false);
  for (const method of ['GET', 'PUT', 'DELETE']) expect(canRepeat(method, none)).toBe(true);
});
