import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createRefusalCounter } from './refusals.ts';

const at = (host: string) => ({ host, port: 443 });

test('the first refusal is told at once, the next ones together a minute later, then it begins anew', () => {
  const counter = createRefusalCounter();
  expect(counter.note(at('a'), 'not_allowed', 0)).toEqual({ host: 'a', port: 443, reason: 'not_allowed', count: 1 });
  expect(counter.note(at('a'), 'not_allowed', 10)).toBeUndefined();
  expect(counter.note(at('a'), 'private_address', 10)).toMatchObject({ reason: 'private_address' });
  expect(counter.note(at('a'), 'not_allowed', 20)).toBeUndefined();
  expect(counter.take(59_999)).toEqual([]);
  expect(counter.dueMs()).toBe(60_000);
  expect(counter.take(60_000)).toEqual([{ host: 'a', port: 443, reason: 'not_allowed', count: 2 }]);
  expect(counter.note(at('a'), 'not_allowed', 60_001)).toMatchObject({ count: 1 });
});

test('every refusal is told of exactly once, in few events, however many destinations there are', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 0, max: 3_000 })), { maxLength: 400 }),
      (asked) => {
        const counter = createRefusalCounter();
        const told: number[] = [];
        let nowMs = 0;
        for (const [host, laterMs] of asked) {
          nowMs += laterMs;
          for (const { count } of counter.take(nowMs)) told.push(count);
          const now = counter.note(at(`h${host}`), 'not_allowed', nowMs);
          if (now) told.push(now.count);
        }
        for (const { count } of counter.take(Number.POSITIVE_INFINITY)) told.push(count);
        expect(told.reduce((sum, count) => sum + count, 0)).toBe(asked.length);
        expect(told.length).toBeLessThanOrEqual(2 * 51 * (Math.floor(nowMs / 60_000) + 2));
      },
    ),
  );
});
