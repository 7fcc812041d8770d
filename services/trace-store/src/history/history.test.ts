import { type Cursor, compareCursors } from '@worktrail/contract/cursor';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isOnPage, nextCursor, stretchEnd } from './history.ts';

const cursor = fc.record({ epoch: fc.integer({ min: 1, max: 3 }), sequence: fc.nat(50) });

test('following the cursor yields every event after the first one once, whatever the page size and the filter', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(cursor, { maxLength: 40, selector: (c: Cursor) => `${c.epoch}/${c.sequence}` }),
      cursor,
      fc.integer({ min: 1, max: 7 }),
      fc.integer({ min: 1, max: 4 }),
      (list, start, rowsMax, nth) => {
        const events = [...list].sort(compareCursors);
        const matching = events.filter((_, index) => index % nth === 0);
        const stored = events.at(-1) ?? { epoch: 1, sequence: 0 };
        const seen: Cursor[] = [];
        let after: Cursor = start;
        for (let complete = false; !complete; ) {
          const found = matching.filter((event) => compareCursors(event, after) > 0);
          const page = found.slice(0, rowsMax);
          complete = page.length === found.length;
          seen.push(...page);
          const next = nextCursor(page.at(-1), complete, { after, stored });
          expect(compareCursors(next, after)).toBeGreaterThanOrEqual(0);
          after = next;
        }
        expect(seen).toEqual(matching.filter((event) => compareCursors(event, start) > 0));
      },
    ),
  );
});

test('a page that found nothing moves the cursor to what is stored, and never back', () => {
  const stored = { epoch: 5, sequence: 10 };
  expect(nextCursor(undefined, true, { after: { epoch: 5, sequence: 3 }, stored })).toEqual(stored);
  expect(nextCursor(undefined, true, { after: { epoch: 5, sequence: 12 }, stored })).toEqual({
    epoch: 5,
    sequence: 12,
  });
});

test('a page ends at its rows or bytes, with at least one event', () => {
  const countOf = (rowsMax: number, bytesMax: number) => {
    let count = 0;
    while (count < 4 && isOnPage(count, 5 * count, { rowsMax, bytesMax })) count++;
    return count;
  };
  expect(countOf(3, 100)).toBe(3);
  expect(countOf(10, 11)).toBe(3);
  expect(countOf(10, 10)).toBe(2);
  expect(countOf(10, 1)).toBe(1);
  expect(countOf(10, 100)).toBe(4);
});

test('a page is looked for in a stretch of the stream first, behind the cursor and where the session begins, unless all there is is no more', () => {
  const last = { epoch: 2, sequence: 5_000_000 };
  expect(stretchEnd({ epoch: 0, sequence: 0 }, undefined, last)).toBeUndefined();
  expect(stretchEnd({ epoch: 2, sequence: 0 }, undefined, last)).toBeUndefined();
  expect(stretchEnd({ epoch: 0, sequence: 0 }, { epoch: 1, sequence: 7 }, last)).toEqual({
    epoch: 1,
    sequence: 50_007,
  });
  expect(stretchEnd({ epoch: 2, sequence: 9 }, { epoch: 1, sequence: 7 }, last)).toEqual({
    epoch: 2,
    sequence: 50_009,
  });
  expect(stretchEnd({ epoch: 2, sequence: 9 }, undefined, { epoch: 2, sequence: 50_009 })).toBeUndefined();
  expect(stretchEnd({ epoch: 2, sequence: 9, fill: 3 }, undefined, last)).toEqual({ epoch: 2, sequence: 50_009 });
});
