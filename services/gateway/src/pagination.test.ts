import { newId } from '@worktrail/contract/ids';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cursorId, pageOfIds, pageQuery } from './pagination.ts';

test('the pages of a list, one after the other, are the whole list, newest first', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.string(), { maxLength: 30 }), fc.integer({ min: 1, max: 10 }), (ids, limit) => {
      const read: string[] = [];
      for (let after: string | undefined; ; ) {
        const { items, nextCursor } = pageOfIds(ids, after, limit);
        expect(items.length).toBeLessThanOrEqual(limit);
        read.push(...items);
        if (nextCursor === null) break;
        after = nextCursor;
      }
      expect(read).toEqual(ids.toSorted((a, b) => (a < b ? 1 : -1)));
    }),
  );
});

test('a cursor is an id of the list, and nothing else', () => {
  const sessionId = newId('session');
  expect(cursorId(sessionId, 'session')).toBe(sessionId);
  expect(cursorId(undefined, 'session')).toBe(undefined);
  for (const wrong of ['', 'x', newId('task'), `${sessionId}x`, 'x'.repeat(5_000)]) {
    expect(pageQuery.cursor.safeParse(wrong).success).toBe(true);
    expect(() => cursorId(wrong, 'session')).toThrow(expect.objectContaining({ code: 'cursor_invalid' }));
  }
});
