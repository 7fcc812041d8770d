import type { ForkPoint } from '@worktrail/contract/forks';
import { newId } from '@worktrail/contract/ids';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sampleFork, sampleSession } from '../../test/samples.ts';
import * as checkpoints from './checkpoints.ts';
import { isNewestDue, lend, lendToProposal, loansMax, repaid } from './forks.ts';
import { archived, archiveRequested, becameReady, created, opened, placed } from './life.ts';
import { nextRecord, recorded } from './record.ts';
import { newSessionState, type SessionState, sessionDocument } from './state.ts';

const noon = '2026-01-01T12:00:00.000Z';
const later = (hours: number) => new Date(Date.parse(noon) + hours * 3_600_000).toISOString();
const by = { kind: 'user', id: 'prn_1' } as const;

/** What the bundles of all sessions hold: by artifact, the checkpoints by number, in the line of the session that stored it. */
type Stored = Map<string, Map<number, string>>;

function ready(spec = sampleSession()): SessionState {
  const state = newSessionState(spec);
  created(state, noon);
  placed(state, { runnerId: 'r', hostQueue: 'q' }, noon);
  opened(state, 1, { from: 'new', baseCommit: 'a', headCommit: 'b', notKept: [] }, noon);
  becameReady(state, noon);
  return state;
}

/** What a host makes of bundles that it takes in, one after the other: refs of checkpoints by number. */
function takeIn(stored: Stored, bundles: readonly { name: string }[]): Map<number, string> {
  return new Map(bundles.flatMap(({ name }) => [...stored.get(name)!]));
}

/** Makes the next checkpoint, as a runner does that has nothing but the bundles. */
function store(state: SessionState, stored: Stored, compactNow = false): void {
  const id = newId('checkpoint');
  const name = newId('event');
  checkpoints.checkpointPlanned(state, 'automatic', id, noon);
  const { number, bundles, compact } = checkpoints.checkpointInput(state, state.checkpointing.plan!);
  const refs = [...takeIn(stored, bundles)].filter(([other]) => other < number);
  const isAll = compact || compactNow;
  stored.set(name, new Map([...(isAll ? refs : []), [number, id]]));
  const headRef = `refs/heads/${state.spec.branch}`;
  const checkpoint = { id, number, commit: id, tree: id, filesChanged: 1, headCommit: id, headRef, notKept: [] };
  const result = { changed: true as const, checkpoint, bundle: { name, sha256: '', bytes: 1 } };
  checkpoints.checkpointMade(state, id, result, isAll, noon);
}

function ask(state: SessionState, forks: string[], checkpoint: SessionState['checkpoint'] = null): ForkPoint {
  return lend(state, { forks, checkpoint, by }, noon)!;
}

function forkOf(parent: SessionState, sessionId: string, point: ForkPoint): SessionState {
  const state = newSessionState(sampleFork(parent.spec, point, sessionId));
  created(state, noon);
  return state;
}

const payloads = (state: SessionState) => state.events.map(({ draft }) => draft.payload.case);

describe('a fork', () => {
  it('begins hibernated, with the checkpoint and the bundles of its parent, and says so', () => {
    const parent = ready();
    const stored: Stored = new Map();
    store(parent, stored);
    const sessionId = newId('session');
    const fork = forkOf(parent, sessionId, ask(parent, [sessionId]));
    expect(payloads(fork)).toEqual(['sessionCreated', 'sessionForked', 'sessionHibernated']);
    const { id } = parent.checkpoint!;
    expect(sessionDocument(fork)).toMatchObject({
      ...{ state: 'hibernated', baseCommit: 'a', headCommit: id, waitingForPlaceSince: null, runnerId: null },
      ...{ filesGeneration: 0, checkpoint: parent.checkpoint, artifacts: [...stored.keys()] },
      fork: { sessionId: parent.spec.sessionId, checkpointId: id },
    });
    expect(JSON.parse(JSON.stringify(fork))).toEqual(fork);
  });

  it('tells its parent once, as soon as its document is stored', () => {
    const parent = ready();
    store(parent, new Map());
    const fork = forkOf(parent, newId('session'), ask(parent, ['x']));
    for (let times = 0; times < 2; times++) {
      expect(fork.reports).toHaveLength(times);
      fork.dueVersion = fork.version += 1;
      recorded(fork, nextRecord(fork), noon);
    }
    expect(fork.reports).toEqual([{ about: 'fork', to: `session:${parent.spec.sessionId}` }]);
  });

  it('goes on with the number after that of its parent', () => {
    const parent = ready();
    const stored: Stored = new Map();
    for (let count = 0; count < 3; count++) store(parent, stored);
    const fork = forkOf(parent, 'x', ask(parent, ['x'], { ...parent.checkpoint!, id: 'chk_2', number: 2 }));
    checkpoints.checkpointPlanned(fork, 'automatic', 'chk_x', noon);
    expect(fork.checkpointing.plan?.number).toBe(3);
  });
});

describe('a session that is forked', () => {
  it('says once who was made of which checkpoint, and answers a repeated request as the first one', () => {
    const parent = ready();
    const stored: Stored = new Map();
    store(parent, stored);
    parent.events = [];
    const point = ask(parent, ['x', 'y']);
    store(parent, stored, true);
    expect(ask(parent, ['y'])).toEqual(point);
    const { id: fromCheckpointId } = point.checkpoint;
    const value = { fromSessionId: parent.spec.sessionId, fromCheckpointId, sessionIds: ['x', 'y'] };
    const told = parent.events.filter(({ draft }) => draft.payload.case === 'sessionForked');
    expect(told.map(({ draft }) => draft)).toMatchObject([{ actor: by, payload: { value } }]);
  });

  it('knows what was said after its checkpoint, where the parent is at rest', () => {
    const parent = ready();
    const stored: Stored = new Map();
    store(parent, stored);
    const at = '1-9';
    const asked = (id: string, checkpoint: SessionState['checkpoint'] = null) =>
      lend(parent, { forks: [id], checkpoint, at, by }, noon)!.saidUpTo;
    expect(asked('x')).toBe(at);
    expect(asked('y', parent.checkpoint)).toBeUndefined();
    parent.turns.live.push({} as SessionState['turns']['live'][number]);
    expect(asked('z')).toBeUndefined();
    expect(asked('x')).toBe(at);
    parent.turns.live = [];
    checkpoints.filesTouched(parent, noon);
    expect(asked('w')).toBeUndefined();
  });

  it('has nothing to give before its first checkpoint, which is waited for', () => {
    const parent = ready();
    expect([isNewestDue(parent), lend(parent, { forks: ['x'], checkpoint: null, by }, noon)]).toEqual([
      true,
      undefined,
    ]);
    store(parent, new Map());
    expect(isNewestDue(parent)).toBe(false);
  });

  it('names what it has lent until each fork has named it itself', () => {
    const parent = ready();
    const stored: Stored = new Map();
    store(parent, stored);
    const lent = ask(parent, ['x', 'y']).bundles.map(({ name }) => name);
    store(parent, stored, true);
    expect(sessionDocument(parent).artifacts).toEqual(expect.arrayContaining(lent));
    repaid(parent, 'x');
    repaid(parent, 'somebody');
    expect(sessionDocument(parent).artifacts).toEqual(expect.arrayContaining(lent));
    const { version } = parent;
    repaid(parent, 'y');
    expect(sessionDocument(parent).artifacts).not.toEqual(expect.arrayContaining(lent));
    expect(parent.dueVersion).toBeGreaterThan(version);
  });

  it('forgets forks that were never made, and makes no more than it can remember', () => {
    const parent = ready();
    store(parent, new Map());
    for (let count = 0; count < loansMax; count++) ask(parent, [`x${count}`]);
    expect(lend(parent, { forks: ['y'], checkpoint: null, by }, later(25))).toBeUndefined();
    expect(lend(parent, { forks: ['y'], checkpoint: null, by }, later(27))).toBeDefined();
    expect(parent.loans).toHaveLength(1);
  });

  it('lends to a proposal in the same way: the same to who asks again, until it is named elsewhere, for an hour at most', () => {
    const session = ready();
    const stored: Stored = new Map();
    expect(lendToProposal(session, 'p', noon)).toBeUndefined();
    store(session, stored);
    const source = lendToProposal(session, 'p', noon)!;
    store(session, stored, true);
    expect(lendToProposal(session, 'p', noon)).toEqual(source);
    expect(session.loans).toHaveLength(1);
    expect(session.events.filter(({ draft }) => draft.payload.case === 'sessionForked')).toEqual([]);
    const lent = source.bundles.map(({ name }) => name);
    expect(sessionDocument(session).artifacts).toEqual(expect.arrayContaining(lent));
    repaid(session, 'p');
    expect(sessionDocument(session).artifacts).not.toEqual(expect.arrayContaining(lent));
    for (let count = 0; count < loansMax; count++) lendToProposal(session, `q${count}`, noon);
    expect(lendToProposal(session, 'r', noon)).toBeUndefined();
    expect(lendToProposal(session, 'r', later(2))).toBeDefined();
    expect(session.loans).toHaveLength(1);
  });

  it('leaves in its document what it has when it is archived', () => {
    const parent = ready();
    const stored: Stored = new Map();
    store(parent, stored);
    expect(sessionDocument(parent).forkPoint).toBeNull();
    const point = ask(parent, ['x']);
    archiveRequested(parent);
    archived(parent, noon);
    expect(sessionDocument(parent)).toMatchObject({ forkPoint: point, artifacts: [...stored.keys()] });
  });
});

/** `expect` takes too long for what is looked at so often. */
function require(isSo: boolean, otherwise: string): void {
  if (!isSo) throw new Error(otherwise);
}

const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('store' as const), of: fc.nat(), compact: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('fork' as const), of: fc.nat(), at: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('repay' as const), of: fc.nat() }) },
);

it('whatever is forked from whatever, what it names makes its checkpoint again, and is named by somebody until then', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
      const stored: Stored = new Map();
      const first = ready();
      store(first, stored);
      const sessions = [first];
      const lines = [[first.checkpoint!]];
      /** Forks that are not made yet. */
      const pending: { parent: SessionState; id: string; point: ForkPoint; line: (typeof lines)[0] }[] = [];
      for (const one of steps) {
        const index = one.of % sessions.length;
        const state = sessions[index]!;
        if (one.kind === 'store') {
          store(state, stored, one.compact);
          lines[index]!.push(state.checkpoint!);
        } else if (one.kind === 'fork') {
          const line = lines[index]!.slice(0, 1 + (one.at % lines[index]!.length));
          const id = `ses_${pending.length}_${sessions.length}_${stored.size}_${Math.random()}`;
          const point = lend(state, { forks: [id], checkpoint: line.at(-1)!, by }, noon);
          if (point) pending.push({ parent: state, id, point, line });
        } else {
          const [made] = pending.splice(one.of % Math.max(1, pending.length), 1);
          if (!made) continue;
          sessions.push(forkOf(made.parent, made.id, made.point));
          lines.push(made.line);
          repaid(made.parent, made.id);
        }
        for (const { point, parent } of pending) {
          const artifacts = new Set(sessionDocument(parent).artifacts);
          require(point.bundles.every(({ name }) => artifacts.has(name)), 'nobody names a bundle');
          const made = takeIn(stored, point.bundles).get(point.checkpoint.number);
          require(made === point.checkpoint.id, 'a fork begins with another checkpoint');
        }
        for (const [at, session] of sessions.entries()) {
          const refs = takeIn(stored, session.bundles);
          require(lines[at]!.every(({ number, id }) => refs.get(number) === id), 'a checkpoint has become another');
        }
      }
    }),
    { numRuns: 300 },
  );
});
