import fc from 'fast-check';
import { expect, test } from 'vitest';
import { dateFindings, type FirstSeen, type Judged } from './first-seen.ts';

const graceMs = 1_000;
const finding: Judged = {
  ...{ kind: 'volume', name: 'v', organizationId: null, sessionId: null, generation: null },
  ...{ reason: 'nobody’s', action: 'remove' },
};
const at = (judged: Judged[], nowMs: number, before: FirstSeen, unseen: string[] = []) =>
  dateFindings(judged, before, { graceMs, nowMs, unseen });

test('nothing is due before it has been found so, without a break, for its grace', () => {
  const looks = fc.array(fc.record({ stepMs: fc.integer({ min: -500, max: 1_500 }), isThere: fc.boolean() }));
  fc.assert(
    fc.property(looks, (all) => {
      let seen: FirstSeen = {};
      let nowMs = 1_000_000;
      let sinceMs: number | null = null;
      for (const { stepMs, isThere } of all) {
        nowMs += stepMs;
        if (!isThere) sinceMs = null;
        else if (sinceMs === null || sinceMs > nowMs) sinceMs = nowMs;
        // As through a restart.
        const dated = at(isThere ? [finding] : [], nowMs, JSON.parse(JSON.stringify(seen)) as FirstSeen);
        seen = dated.seen;
        if (sinceMs === null) expect(dated.findings).toEqual([]);
        else expect(dated.findings).toMatchObject([{ isDue: nowMs - sinceMs >= graceMs }]);
      }
    }),
  );
});

test('another reason begins anew, and what could not be looked at keeps its time', () => {
  const { seen } = at([finding], 0, {});
  expect(at([{ ...finding, reason: 'another' }], graceMs, seen).findings).toMatchObject([{ isDue: false }]);
  const unseen = at([], 500, seen, ['volume']).seen;
  expect(at([finding], graceMs, unseen).findings).toMatchObject([{ isDue: true, since: new Date(0).toISOString() }]);
  expect(at([finding], graceMs, at([], 500, seen, ['image']).seen).findings).toMatchObject([{ isDue: false }]);
});

test('what is for a person is never due, and what goes by itself soon is not shown, but goes', () => {
  const { seen } = at([{ ...finding, action: 'report' }], 0, {});
  const later = 100 * graceMs;
  expect(at([{ ...finding, action: 'report' }], later, seen).findings).toMatchObject([{ isDue: false, due: null }]);
  const hidden = { ...finding, shownAfterMs: 2 * graceMs };
  const first = at([hidden], 0, {}).seen;
  expect(at([hidden], graceMs, first).findings).toMatchObject([{ isDue: true, isShown: false }]);
  expect(at([hidden], 2 * graceMs, first).findings).toMatchObject([{ isDue: true, isShown: true }]);
});
