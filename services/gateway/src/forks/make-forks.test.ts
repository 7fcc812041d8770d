import { create } from '@bufbuild/protobuf';
import { parseCursor } from '@worktrail/contract/cursor';
import type { SessionDocument } from '@worktrail/contract/documents';
import { newId } from '@worktrail/contract/ids';
import type { ForkSessionRequest, SessionSpec } from '@worktrail/contract/session-messages';
import { WorktrailError } from '@worktrail/contract/errors';
import { EventSchema } from '@worktrail/proto/event';
import { expect, test } from 'vitest';
import type { Principal } from '../authorize.ts';
import { createDraw, newSeed } from '../draw.ts';
import { type ForkDeps, makeForks } from './make-forks.ts';

const organizationId = newId('organization');
const projectId = newId('project');
const checkpointOf = (number: number) => ({ id: `chk_${number}`, number, commit: `c${number}`, tree: `t${number}` });
const bundleOf = (number: number) => ({ name: `bundle-${number}`, sha256: '', bytes: 1, upTo: number });

/** A session with checkpoints, and one request to fork it with its repetitions. `start` may fail. */
function bench(start: (spec: SessionSpec) => void = () => undefined, over?: 'archived' | 'archived meanwhile') {
  const state = { newest: 3, isAtRest: false, lastSequence: 70, loans: new Map<string, number>() };
  const asked: ForkSessionRequest[] = [];
  const started: SessionSpec[] = [];
  const documents = new Map<string, SessionDocument>();
  const pointAt = (number: number) => ({
    ...{ repository: { url: 'u', defaultBranch: 'main' }, env: { A: 'parent', B: 'parent' }, baseCommit: 'base' },
    ...{ checkpoint: checkpointOf(number), headCommit: `head${number}` },
    bundles: Array.from({ length: number }, (_, index) => bundleOf(index + 1)),
  });
  const parent = {
    ...{ id: newId('session'), organizationId, projectId, partition: 5, branch: 'worktrail/parent', inherited: [] },
    ...{ state: over === 'archived' ? 'archived' : 'ready', title: 'Parent' },
    forkPoint: over === 'archived' ? pointAt(3) : null,
  } as unknown as SessionDocument;
  if (over) documents.set(parent.id, { ...parent, state: 'archived', forkPoint: pointAt(3) });
  const update = async (_id: string, _update: string, [request]: [ForkSessionRequest]) => {
    if (over) throw new WorktrailError('session_archived', 'it is archived');
    asked.push(request);
    const number = state.loans.get(request.forks[0]!) ?? request.checkpoint?.number ?? state.newest;
    for (const id of request.forks) state.loans.set(id, number);
    return { ...pointAt(number), ...(state.isAtRest && { saidUpTo: request.at }) };
  };
  const page = async () => ({
    events: Array.from({ length: state.newest }, (_, index) => {
      const { id: checkpointId, ...rest } = checkpointOf(index + 1);
      const payload = { case: 'checkpointCreated' as const, value: { checkpointId, ...rest } };
      return { event: create(EventSchema, { payload }), cursor: { epoch: 1, sequence: 10 * (index + 1) } };
    }),
    ...{ next: { epoch: 1, sequence: 99 }, complete: true },
  });
  const deps = {
    sessions: {
      find: async (_organization: string, id: string) => documents.get(id),
      announce: async (document: SessionDocument) => void documents.set(document.id, document),
    },
    quota: { admit: async () => undefined },
    projects: {
      open: async () => ({ value: { id: projectId } }),
      spec: (input: object) => ({ ...input, organizationId, projectId, partition: 0, branch: 'b', repository: {} }),
    },
    workflows: {
      update,
      start: async (_workflow: string, _id: string, spec: SessionSpec) => {
        start(spec);
        started.push(spec);
      },
    },
    history: { page },
    position: {
      lastEvent: async () => undefined,
      lastCursor: async () => ({ epoch: 1, sequence: state.lastSequence }),
    },
    live: {
      subscribe: () => {
        const event = create(EventSchema, { payload: { case: 'sessionHibernated', value: {} } });
        return { take: () => ({ event }), isWhole: () => true, close: () => undefined };
      },
    },
    followers: { admit: () => () => undefined },
    stopping: new AbortController().signal,
  } as unknown as ForkDeps;
  const [seed, timeMs] = [newSeed(), Date.now()];
  const scope = { partition: 5, organizationId, sessionId: parent.id };
  const fork = (count: number, retried: boolean, checkpointId?: string) =>
    makeForks(deps, {
      ...{ principal: { id: 'prn_1', organizationId } as Principal, draw: createDraw(seed, timeMs), retried },
      ...{ signal: new AbortController().signal, parent: { document: parent, scope }, checkpointId, field: 'f' },
      forks: Array.from({ length: count }, (_, index) => ({
        ...{ title: `Fork ${index}`, taskId: null, trialId: null, env: { B: 'own' }, labels: {} },
      })),
    });
  return { fork, state, asked, started, documents, parent };
}

test('forks have the partition, the files and the history of their parent, and what is their own', async () => {
  const { fork, started, parent } = bench();
  const made = await fork(2, false);
  expect(made.map(({ state, title }) => [state, title])).toEqual([
    ['hibernated', 'Fork 0'],
    ['hibernated', 'Fork 1'],
  ]);
  expect(started[0]).toMatchObject({
    ...{ partition: 5, repository: { url: 'u' }, env: { A: 'parent', B: 'own' } },
    fork: {
      sessionId: parent.id,
      inherited: [{ sessionId: parent.id, branch: 'worktrail/parent', upTo: '1-u' }],
      restore: { baseCommit: 'base', checkpoint: checkpointOf(3), archive: null },
      headCommit: 'head3',
    },
  });
  expect(made[0]!.artifacts).toEqual(['bundle-1', 'bundle-2', 'bundle-3']);
});

test('of a session at rest they know all that was said, the same for those that a repetition makes', async () => {
  let isBroken = true;
  const { fork, state, started } = bench(() => {
    if (isBroken && started.length >= 1) throw new Error('Temporal is away');
  });
  state.isAtRest = true;
  await expect(fork(2, false)).rejects.toThrow('Temporal is away');
  isBroken = false;
  state.lastSequence = 80;
  await fork(2, true);
  const known = started.map(({ fork: made }) => made!.inherited.map(({ upTo }) => parseCursor(upTo)));
  expect(known).toEqual([[{ epoch: 1, sequence: 70 }], [{ epoch: 1, sequence: 70 }]]);
});

test('a request that failed half way is completed by its repetition: the same forks, of the same checkpoint, each once', async () => {
  let isBroken = true;
  const { fork, state, asked, started, documents } = bench(() => {
    if (isBroken && started.length >= 6) throw new Error('Temporal is away');
  });
  await expect(fork(16, false)).rejects.toThrow('Temporal is away');
  const half = [...documents.keys()];
  expect(half).toHaveLength(6);
  isBroken = false;
  state.newest = 4;
  const made = await fork(16, true);
  expect(made.map(({ title }) => title)).toEqual(Array.from({ length: 16 }, (_, index) => `Fork ${index}`));
  expect(new Set(made.map(({ id }) => id)).size).toBe(16);
  for (const id of half) expect(made.map((one) => one.id)).toContain(id);
  expect(new Set(made.map((one) => one.checkpoint?.number))).toEqual(new Set([3]));
  expect(started).toHaveLength(16);
  expect(asked[1]!.forks).toHaveLength(10);
  expect(await fork(16, true)).toEqual(made);
  expect(asked).toHaveLength(2);
});

test.each(['archived', 'archived meanwhile'] as const)(
  'of a session that is %s they begin with what it has kept',
  async (over) => {
    const { fork, asked, started } = bench(undefined, over);
    await fork(1, false, 'chk_2');
    expect(asked).toEqual([]);
    const { checkpoint, bundles } = started[0]!.fork!.restore;
    expect([checkpoint.number, bundles.map(({ name }) => name)]).toEqual([2, ['bundle-1', 'bundle-2']]);
  },
);

test('a checkpoint that the session does not have is named as wrong', async () => {
  const { fork, asked } = bench();
  await expect(fork(1, false, 'chk_9')).rejects.toMatchObject({ code: 'validation_failed', errors: [{ path: 'f' }] });
  expect(asked).toEqual([]);
});
