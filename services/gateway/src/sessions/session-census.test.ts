import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type LiveSession, queuePosition } from './session-census.ts';

const since = fc.option(
  fc.integer({ min: 0, max: 3 }).map((second) => `2026-01-01T00:00:0${second}.000Z`),
  { nil: null },
);

test('sessions that wait have the ranks from 1 on, each once and none without a turn, whoever waits longest first', () => {
  fc.assert(
    fc.property(fc.array(since, { maxLength: 20 }), (waits) => {
      const sessions = waits.map((waitingForPlaceSince, index) => ({
        id: `ses_${index % 7}${index}`,
        waitingForPlaceSince,
      }));
      const live = new Map(sessions.map((session) => [session.id, session as unknown as LiveSession]));
      const ranked = sessions.map((session) => ({ ...session, rank: queuePosition(live, session) }));
      const waiting = ranked.filter(({ waitingForPlaceSince }) => waitingForPlaceSince !== null);
      expect(ranked.filter(({ rank }) => rank === null)).toHaveLength(waits.length - waiting.length);
      const inOrder = waiting.toSorted((a, b) => a.rank! - b.rank!);
      expect(inOrder.map(({ rank }) => rank)).toEqual(inOrder.map((_, index) => index + 1));
      const times = inOrder.map(({ waitingForPlaceSince }) => waitingForPlaceSince!);
      expect(times).toEqual(times.toSorted());
    }),
  );
});

test('a session that waits has a rank also before its document is known to wait', () => {
  const waiting = { id: 'ses_2', waitingForPlaceSince: '2026-01-01T00:00:02.000Z' };
  const earlier = { waitingForPlaceSince: '2026-01-01T00:00:01.000Z' } as LiveSession;
  expect(queuePosition(new Map([['ses_1', earlier]]), waiting)).toBe(2);
  expect(queuePosition(new Map(), waiting)).toBe(1);
});
