import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareCursors, formatCursor, parseCursor, toCursor } from './cursor.ts';
import { createdMsOf, idFrom, idPrefixes, isId, newId } from './ids.ts';

test('a new id of every kind is an id of that kind and of no other', () => {
  for (const kind of Object.keys(idPrefixes) as (keyof typeof idPrefixes)[]) {
    const id = newId(kind);
    expect(isId(id, kind)).toBe(true);
    expect(isId(id, kind === 'task' ? 'trial' : 'task')).toBe(false);
  }
});

test('ids derived from time and entropy sort by time and repeat', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 2 ** 45 }),
      fc.integer({ min: 1, max: 2 ** 40 }),
      fc.uint8Array({ minLength: 10, maxLength: 10 }),
      (timeMs, laterMs, entropy) => {
        const id = idFrom('event', timeMs, entropy);
        expect(isId(id, 'event')).toBe(true);
        expect(createdMsOf(id)).toBe(timeMs);
        expect(idFrom('event', timeMs, entropy)).toBe(id);
        expect(idFrom('event', timeMs + laterMs, new Uint8Array(10)) > id).toBe(true);
      },
    ),
  );
});

test('what is no id is refused, whatever it holds', () => {
  for (const text of ['', 'ses_', 'ses_../../etc', 'ses_01m82a75dqe0381sm0n53t3n7', `${newId('session')}\n`, 'ses_*']) {
    expect(isId(text)).toBe(false);
  }
});

test('a cursor survives its text form, and nothing else parses', () => {
  const part = fc.integer({ min: 0, max: 2 ** 45 });
  fc.assert(
    fc.property(part, part, part, (epoch, sequence, fill) => {
      const cursor = toCursor(epoch, sequence, fill);
      expect(parseCursor(formatCursor(cursor))).toEqual(cursor);
      expect(parseCursor(formatCursor({ epoch, sequence }))).toEqual({ epoch, sequence });
    }),
  );
  for (const text of [
    '',
    '-',
    'a-',
    '1-2-0',
    '1-2-3-4',
    '1-2-',
    '01-2',
    'A-1',
    '1 -2',
    'zzzzzzzzzzz-1',
    '1-zzzzzzzzzzzz',
  ]) {
    expect(parseCursor(text)).toBeUndefined();
  }
  expect(compareCursors({ epoch: 2, sequence: 1 }, { epoch: 1, sequence: 9 })).toBeGreaterThan(0);
  expect(compareCursors({ epoch: 1, sequence: 9, fill: 2 }, { epoch: 1, sequence: 9 })).toBeGreaterThan(0);
  expect(compareCursors({ epoch: 1, sequence: 9, fill: 2 }, { epoch: 1, sequence: 10 })).toBeLessThan(0);
});
