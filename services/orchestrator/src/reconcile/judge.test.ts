import { newId } from '@worktrail/contract/ids';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Found, judge, type KnownSession, suspects } from './judge.ts';

const organizationId = newId('organization');
const nothing: Found = {
  ...{
    sessions: [],
    trials: [],
    proposals: [],
    webhooks: [],
    running: new Set(),
    artifacts: [],
    orders: [],
    runnerIds: new Set(),
  },
  ...{ lastingBuckets: [], sessionsSinceMs: 0 },
};
const session = (changes: Partial<KnownSession> = {}): KnownSession => ({
  ...{ id: newId('session'), organizationId, trialId: null, version: 1, state: 'ready', generation: 1, artifacts: [] },
  ...changes,
});
const artifactOf = ({ id }: KnownSession, rest = 'bundle-g1-1-a') => `${organizationId}/${id}/${rest}`;

test('an attempt of a trial that runs needs no workflow before it has begun; any other live session does', () => {
  const trialId = newId('trial');
  const waiting = session({ version: 0, trialId });
  const begun = session({ version: 1, trialId });
  const lost = session({ version: 0, trialId: newId('trial') });
  const over = [session({ state: 'archived' }), session({ state: 'failed' })];
  const running = new Set([trialId]);
  const found = suspects({ ...nothing, sessions: [waiting, begun, lost, ...over], running });
  expect(found.sessions).toEqual([begun, lost]);
});

test('only a document whose workflow was asked for and is gone is a finding; where it is most of many, none is changed', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 60 }), (lost, live) => {
      const gone = Array.from({ length: lost }, () => session());
      const sessions = [...gone, ...Array.from({ length: live }, () => session())];
      expect(judge({ ...nothing, sessions }, new Set())).toEqual([]);
      const found = judge({ ...nothing, sessions }, new Set(gone.map(({ id }) => id)));
      expect(found.map(({ name }) => name)).toEqual(gone.map(({ id }) => id));
      const isMost = lost >= 5 && lost > live;
      for (const one of found) expect(one.action).toBe(isMost ? 'report' : 'remove');
    }),
  );
});

test('webhooks whose workflows are gone are begun again at once, also where it is most of them; that of none ends by itself', () => {
  const webhooks = Array.from({ length: 9 }, () => ({ id: newId('webhook'), organizationId }));
  const running = new Set([webhooks[0]!.id, newId('webhook')]);
  const found = { ...nothing, webhooks, running };
  const lost = webhooks.slice(1);
  expect(suspects(found).webhooks).toEqual(lost);
  const judged = judge(found, new Set(lost.map(({ id }) => id)));
  expect(judged.map(({ name }) => name)).toEqual(lost.map(({ id }) => id));
  for (const one of judged)
    expect(one).toMatchObject({ kind: 'webhook', organizationId, action: 'remove', graceMs: 0 });
});

test('an artifact that an open proposal needs is no finding', () => {
  const owner = session();
  const name = artifactOf(owner, `proposal-g0-${newId('proposal')}-0123456789abcdef`);
  const found = { ...nothing, sessions: [owner], artifacts: [name] };
  expect(judge(found, new Set())).toMatchObject([{ kind: 'artifact', action: 'remove' }]);
  const proposal = { id: newId('proposal'), organizationId, state: 'checking' as const, artifacts: [name] };
  const running = new Set([proposal.id]);
  expect(judge({ ...found, proposals: [proposal], running }, new Set())).toEqual([]);
  // Its workflow is asked for before it is closed.
  expect(suspects({ ...found, proposals: [proposal] }).proposals).toEqual([proposal]);
  expect(judge({ ...found, proposals: [proposal] }, new Set([proposal.id]))).toMatchObject([{ kind: 'proposal' }]);
  expect(suspects({ ...found, proposals: [{ ...proposal, state: 'closed' }] }).proposals).toEqual([]);
});

test('an artifact that any document names is no finding, whatever session its name tells of', () => {
  const [owner, fork] = [session(), session()];
  const name = artifactOf(owner);
  const found = (artifacts: string[]) =>
    judge({ ...nothing, sessions: [owner, { ...fork, artifacts }], artifacts: [name] }, new Set());
  expect(found([name])).toEqual([]);
  expect(found([])).toMatchObject([{ name, action: 'remove', organizationId, sessionId: owner.id, generation: 1 }]);
});

test('what cannot be told to be nobody’s is for a person: older than the documents, kept of a repository, strangely named', () => {
  const unknown = session();
  const names = [artifactOf(unknown), `${organizationId}/upstream/m/c`, 'a', `x/${unknown.id}/bundle-g1-1-a`, ''];
  const found = judge({ ...nothing, artifacts: names, sessionsSinceMs: Date.now() + 60_000 }, new Set());
  expect(found.map(({ name, action }) => [name, action])).toEqual(names.map((name) => [name, 'report']));
  const pins = { ...nothing, artifacts: names.slice(1, 2), sessions: [unknown] };
  expect(judge(pins, new Set()).filter(({ kind }) => kind === 'artifact')).toEqual([]);
});
