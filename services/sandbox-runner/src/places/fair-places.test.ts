import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hasTurn, type WaitingSession } from './fair-places.ts';

const session = (sessionId: string, waitingSinceMs: number, memoryMb = 1): WaitingSession => ({
  sessionId,
  organizationId: sessionId[0]!,
  memoryMb,
  waitingSinceMs,
});

/** Those that have their turn. */
function chosen(
  waiting: WaitingSession[],
  count: number,
  held: Record<string, number> = {},
  memoryMb = Infinity,
): string[] {
  const turns = (id: string) => hasTurn(id, waiting, new Map(Object.entries(held)), { count, memoryMb });
  return waiting.map(({ sessionId }) => sessionId).filter(turns);
}

test('of thirty sessions of one organization and one of another, the one is next', () => {
  const many = Array.from({ length: 30 }, (_, i) => session(`a${i}`, i));
  expect(chosen([...many, session('b', 1_000)], 1, { a: 4 })).toEqual(['b']);
  expect(chosen([...many, session('b', 1_000)], 1, { a: 4, b: 5 })).toEqual(['a0']);
});

test('within an organization who has waited longest is next, and places given out count at once', () => {
  expect(chosen([session('a1', 3), session('a2', 1), session('a3', 2)], 2)).toEqual(['a2', 'a3']);
  expect(chosen([session('a1', 1), session('a2', 2), session('b1', 3), session('b2', 4)], 2)).toEqual(['a1', 'b1']);
});

test('what does not fit yet is not passed by smaller ones for ever', () => {
  expect(chosen([session('a1', 1, 8), session('a2', 2, 1)], 2, {}, 4)).toEqual([]);
  expect(chosen([session('a1', 1, 8), session('a2', 2, 1)], 2, {}, 9)).toEqual(['a1', 'a2']);
});

test('no more have their turn than there are places and memory, and without a bound of memory exactly so many', () => {
  const waiting = fc.uniqueArray(
    fc.record({
      sessionId: fc.stringMatching(/^[abc]\d{1,3}$/),
      organizationId: fc.constantFrom('a', 'b', 'c'),
      memoryMb: fc.integer({ min: 1, max: 9 }),
      waitingSinceMs: fc.nat(20),
    }),
    { selector: ({ sessionId }) => sessionId, maxLength: 12 },
  );
  fc.assert(
    fc.property(waiting, fc.nat(6), fc.nat(30), (sessions, count, memoryMb) => {
      const within = chosen(sessions, count, {}, memoryMb);
      const used = sessions.filter(({ sessionId }) => within.includes(sessionId));
      expect(used.reduce((sum, one) => sum + one.memoryMb, 0)).toBeLessThanOrEqual(memoryMb);
      expect(within.length).toBeLessThanOrEqual(count);
      expect(chosen(sessions, count)).toHaveLength(Math.min(count, sessions.length));
    }),
  );
});
