import { WorkflowUpdateFailedError } from '@temporalio/client';
import type { SessionDocument } from '@worktrail/contract/documents';
import type { ForkPoint } from '@worktrail/contract/forks';
import { newId } from '@worktrail/contract/ids';
import { forkSession, type ForkSessionRequest } from '@worktrail/contract/session-messages';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type OrchestratorBed, type Servers, startOrchestratorBed, startServers } from '../../test/orchestrator-bed.ts';
import { sampleCommand, sampleFork, sampleSession } from '../../test/samples.ts';
import { type SessionClient, startSession, until } from '../../test/session-client.ts';

const by = { kind: 'user', id: 'prn_1' } as const;

// A worker that keeps no workflow in memory replays each task: what is not deterministic shows at once.
describe('forks', () => {
  let servers: Servers;
  let bed: OrchestratorBed;
  beforeAll(async () => {
    servers = await startServers();
    bed = await startOrchestratorBed(servers, 0);
  });
  afterEach(() => Object.assign(bed.runner.script, { checkpoints: 'changed' }));
  afterAll(async () => {
    await bed.stop();
    await servers.stop();
  });

  async function storedSession(): Promise<SessionClient> {
    const session = await startSession(bed, sampleSession());
    await session.untilState('ready');
    await until(session.stored, (document) => document?.checkpoint?.number === 1);
    return session;
  }

  async function run(session: SessionClient): Promise<void> {
    const command = sampleCommand('exit 0');
    await session.run(command);
    await session.untilEnded(command.id);
  }

  const ask = (parent: SessionClient, request: Partial<ForkSessionRequest>) =>
    parent.handle.executeUpdate<ForkPoint, [ForkSessionRequest]>(forkSession, {
      args: [{ forks: [newId('session')], checkpoint: null, by, ...request }],
    });

  it('begin hibernated, and open from the checkpoint of their parent at their first command', async () => {
    const parent = await storedSession();
    const id = newId('session');
    const point = await ask(parent, { forks: [id] });
    expect(point).toMatchObject({ checkpoint: { number: 1 }, bundles: [{ upTo: 1 }], headCommit: 'c'.repeat(40) });
    const placed = bed.runner.opened.length;
    const fork = await startSession(bed, sampleFork(parent.spec, point, id));
    const document = await until(fork.stored, (one) => one !== undefined);
    expect(document).toMatchObject({ state: 'hibernated', checkpoint: point.checkpoint, runnerId: null });
    expect(await fork.history()).toEqual(['sessionCreated', 'sessionForked', 'sessionHibernated']);
    expect(bed.runner.opened).toHaveLength(placed);

    await run(fork);
    await fork.untilState('ready');
    const opened = bed.runner.opened.find(({ sessionId }) => sessionId === id);
    expect(opened).toMatchObject({
      restore: { baseCommit: point.baseCommit, checkpoint: point.checkpoint, bundles: point.bundles, archive: null },
      ...{ filesGeneration: 0, branch: 'worktrail/fork-87654321', branchesBefore: [parent.spec.branch] },
    });
    const next = await until(fork.stored, (one) => one?.checkpoint?.number === 2);
    expect(bed.runner.checkpoints.find(({ sessionId }) => sessionId === id)).toMatchObject({
      ...{ number: 2, previous: point.checkpoint, bundles: point.bundles, baseCommit: point.baseCommit },
    });
    expect(next!.artifacts).toHaveLength(2);
    const history = await fork.history();
    for (const type of ['sessionRestored', 'sessionResumed', 'sessionReady']) expect(history).toContain(type);
  });

  it('are told in the history of their parent, which names what it has lent until they name it', async () => {
    const parentId = newId('session');
    const origin = await storedSession();
    const begun = await ask(origin, { forks: [parentId] });
    const bundles = Array.from({ length: 31 }, (_, index) => ({
      ...begun.bundles[0]!,
      ...{ name: `bundle-${index}`, upTo: index + 1 },
    }));
    const checkpoint = { ...begun.checkpoint, number: 31 };
    const parent = await startSession(bed, sampleFork(origin.spec, { ...begun, checkpoint, bundles }, parentId));
    const id = newId('session');
    const point = await ask(parent, { forks: [id] });
    expect(point.bundles).toHaveLength(31);
    const lent = point.bundles.at(-1);
    // Bundles are put together when there are 32: those before are not the parent's own any more.
    for (let count = 0; count < 2; count++) await parent.checkpoint(newId('checkpoint'));
    const compacted = await until(parent.stored, (one) => (one?.checkpoint?.number ?? 0) >= 33);
    expect(compacted!.artifacts).toContain(lent!.name);
    expect(compacted!.artifacts.length).toBeLessThan(36);
    const fork = await startSession(bed, sampleFork(parent.spec, point, id));
    const isFree = (one: SessionDocument | undefined) => one?.artifacts.includes(lent!.name) === false;
    await until(parent.stored, isFree);
    expect((await fork.stored())!.artifacts).toEqual(point.bundles.map(({ name }) => name));
    const told = (await parent.events()).filter(({ payload }) => payload.case === 'sessionForked');
    const own = { fromSessionId: parent.spec.sessionId, fromCheckpointId: point.checkpoint.id, sessionIds: [id] };
    expect(told.map(({ payload }) => payload.value)).toMatchObject([{ sessionIds: [parentId] }, own]);
  });

  it('have what has just ended: the newest checkpoint is waited for where it is to come', async () => {
    const parent = await storedSession();
    await run(parent);
    expect((await ask(parent, {})).checkpoint.number).toBe(2);
    const held = sampleCommand('hold');
    await run(parent);
    await parent.run(held);
    const { number } = (await ask(parent, {})).checkpoint;
    expect(number).toBeGreaterThanOrEqual(2);
    // Its end is in the history before the session has been told of it.
    await until(async () => bed.runner.isHeld(held.id), Boolean);
    await bed.runner.release(held.id);
    await parent.untilEnded(held.id);
    expect((await ask(parent, {})).checkpoint.number).toBeGreaterThan(number);
  });

  it('are refused where nothing is stored, and of a checkpoint that is not there', async () => {
    const refusal = async (asked: Promise<unknown>) => {
      const error = await asked.then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(error).toBeInstanceOf(WorkflowUpdateFailedError);
      return (error as WorkflowUpdateFailedError).cause;
    };
    Object.assign(bed.runner.script, { checkpoints: 'fail' });
    const parent = await startSession(bed, sampleSession());
    await parent.untilState('ready');
    expect(await refusal(ask(parent, {}))).toMatchObject({ type: 'conflict' });
    Object.assign(bed.runner.script, { checkpoints: 'changed' });
    await parent.checkpoint(newId('checkpoint'));
    const { checkpoint } = await ask(parent, {});
    const unknown = { ...checkpoint, id: newId('checkpoint'), number: 99 };
    expect(await refusal(ask(parent, { checkpoint: unknown }))).toMatchObject({ type: 'conflict' });
    await parent.archive();
    expect((await parent.stored())!.forkPoint).toMatchObject({ checkpoint, bundles: [{ upTo: checkpoint.number }] });
  });

  it('are archived like any other without ever having been open', async () => {
    const parent = await storedSession();
    const id = newId('session');
    const fork = await startSession(bed, sampleFork(parent.spec, await ask(parent, { forks: [id] }), id));
    expect(await fork.archive()).toMatchObject({ state: 'archived', forkPoint: { checkpoint: { number: 1 } } });
    expect(bed.runner.opened.some(({ sessionId }) => sessionId === id)).toBe(false);
  });
});
