import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type Finding,
  type SuggestionDocument,
  suggestionKinds,
  suggestionLimits,
  suggestionStates,
} from '@worktrail/contract/suggestions';
import { type Found, planSuggestions, type SuggestionPlan } from './plan-suggestions.ts';

const at = '2026-01-02T00:00:00.000Z';

function finding(fingerprint: string, changes: Partial<Finding> = {}): Finding {
  return { kind: 'todo', fingerprint, title: 't', description: '', score: 0.5, evidence: [], output: null, ...changes };
}

function stored(fingerprint: string, changes: Partial<SuggestionDocument> = {}): SuggestionDocument {
  const of = { id: `sug_${fingerprint}`, organizationId: 'org', projectId: 'prj', commit: 'old', reason: null };
  const times = { createdAt: '2026-01-01T00:00:00.000Z', updatedAt: '2026-01-01T00:00:00.000Z' };
  return { ...finding(fingerprint), ...of, ...times, state: 'open', decidedBy: null, accepted: null, ...changes };
}

const found = (findings: Finding[], changes: Partial<Found> = {}): Found => ({
  ...{ commit: 'new', findings, seen: [], kinds: suggestionKinds },
  ...changes,
});

/** What is stored once the plan is done. */
function done(before: readonly SuggestionDocument[], { add, change, remove }: SuggestionPlan): SuggestionDocument[] {
  const changed = new Map(change.map((one) => [one.id, one]));
  const gone = new Set(remove.map(({ id }) => id));
  const added = add.map((one) => stored(one.fingerprint, { ...one, commit: 'new', createdAt: at, updatedAt: at }));
  return [...before.filter(({ id }) => !gone.has(id)).map((one) => changed.get(one.id) ?? one), ...added];
}

test('what is new is added, what is there is brought up to date, what is gone is resolved', () => {
  const before = [stored('a'), stored('b')];
  const plan = planSuggestions(before, found([finding('a', { title: 'moved' }), finding('c')]), at);
  expect(plan.add.map(({ fingerprint }) => fingerprint)).toEqual(['c']);
  expect(plan.change).toMatchObject([
    { id: 'sug_a', title: 'moved', state: 'open', commit: 'new', updatedAt: at },
    { id: 'sug_b', state: 'resolved', title: 't' },
  ]);
});

test('what was not looked for to the end, or is still seen, stays open', () => {
  const before = [stored('a'), stored('b', { kind: 'missing_test' })];
  expect(planSuggestions(before, found([], { kinds: [] }), at).change).toEqual([]);
  expect(planSuggestions(before, found([], { kinds: ['missing_test'], seen: ['b'] }), at).change).toEqual([]);
});

test('what was resolved and is found again is open again', () => {
  expect(planSuggestions([stored('a', { state: 'resolved' })], found([finding('a')]), at).change).toMatchObject([
    { id: 'sug_a', state: 'open' },
  ]);
});

test('where there is no room, what is resolved goes first, then what was decided and is gone, and what is left is counted', () => {
  const full = Array.from({ length: suggestionLimits.perProjectMax - 3 }, (_, index) => stored(`open ${index}`));
  const before = [
    ...full,
    stored('r', { state: 'resolved' }),
    stored('d', { state: 'dismissed' }),
    stored('e', { state: 'dismissed' }),
  ];
  const seen = full.map(({ fingerprint }) => fingerprint);
  const news = ['n1', 'n2', 'n3'].map((name) => finding(name));
  const plan = planSuggestions(before, found(news, { seen: [...seen, 'e'] }), at);
  expect(plan.remove.map(({ fingerprint }) => fingerprint)).toEqual(['r', 'd']);
  expect([plan.add.length, plan.notKept]).toEqual([2, 1]);
});

const names = fc.nat(30).map(String);
const documents = fc.uniqueArray(
  fc.record({ name: names, state: fc.constantFrom(...suggestionStates), kind: fc.constantFrom(...suggestionKinds) }),
  {
    selector: ({ name }) => name,
  },
);

test('whatever is stored and found: what was decided is never touched, nothing is there twice, and a repetition changes nothing', () => {
  fc.assert(
    fc.property(documents, fc.uniqueArray(names), fc.subarray([...suggestionKinds]), (all, now, kinds) => {
      const before = all.map(({ name, state, kind }) => stored(name, { state, kind }));
      const kindOf = new Map(all.map(({ name, kind }) => [name, kind]));
      const asked = found(
        now.map((name) => finding(name, { kind: kindOf.get(name) ?? 'todo' })),
        { kinds },
      );
      const after = done(before, planSuggestions(before, asked, at));
      expect(new Set(after.map(({ fingerprint }) => fingerprint)).size).toBe(after.length);
      for (const one of before) {
        const then = after.find(({ id }) => id === one.id)!;
        if (one.state === 'accepted' || one.state === 'dismissed') expect(then).toEqual(one);
        else if (now.includes(one.fingerprint)) expect(then.state).toBe('open');
        else if (one.state === 'open') expect(then.state).toBe(kinds.includes(one.kind) ? 'resolved' : 'open');
      }
      expect(done(after, planSuggestions(after, asked, at))).toEqual(after);
    }),
  );
});

test('what is stored is the same wherever a part of the plan was done before', () => {
  fc.assert(
    fc.property(documents, fc.uniqueArray(names), fc.nat(40), (all, now, part) => {
      const before = all.map(({ name, state, kind }) => stored(name, { state, kind }));
      const asked = found(now.map((name) => finding(name)));
      const plan = planSuggestions(before, asked, at);
      const half = { ...plan, add: plan.add.slice(0, part), change: plan.change.slice(0, part) };
      const byId = (list: SuggestionDocument[]) => list.toSorted((one, two) => (one.id < two.id ? -1 : 1));
      const partly = done(before, half);
      expect(byId(done(partly, planSuggestions(partly, asked, at)))).toEqual(byId(done(before, plan)));
    }),
  );
});
