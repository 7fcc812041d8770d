// What becomes of the files of a session, on a worker that keeps no workflow in memory and so replays each task.

import { WorkflowUpdateFailedError } from '@temporalio/client';
import { newId } from '@worktrail/contract/ids';
import { hibernateWhenIdle, type SessionSpec } from '@worktrail/contract/session-messages';
import { CommandOutcome, type Event } from '@worktrail/proto/event';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type OrchestratorBed, type Servers, startOrchestratorBed, startServers } from '../../test/orchestrator-bed.ts';
import { sampleCommand, sampleSession, withSetup } from '../../test/samples.ts';
import type { ScriptedRunner } from '../../test/scripted-runner.ts';
import { type SessionClient, startSession, until } from '../../test/session-client.ts';

describe('the files of a session', () => {
  let servers: Servers;
  let bed: OrchestratorBed;
  /** A second host. Sessions are placed on the first, unless it is full. */
  let other: ScriptedRunner;
  const otherId = 'runner-other';
  beforeAll(async () => {
    servers = await startServers();
    bed = await startOrchestratorBed(servers, 0);
    other = await bed.startRunner(otherId);
    other.script.full = true;
  });
  afterEach(() => {
    Object.assign(bed.runner.script, {
      full: false,
      draining: false,
      checkpoints: 'changed',
      archives: 'whole',
      reverts: 'made',
      fileChanges: 'made',
      headRef: undefined,
    });
    Object.assign(other.script, {
      full: true,
      checkpoints: 'changed',
      archives: 'whole',
      reverts: 'made',
      fileChanges: 'made',
      headRef: undefined,
    });
  });
  afterAll(async () => {
    await bed.stop();
    await servers.stop();
  });

  const checkpointsOf = ({ spec }: SessionClient, runner = bed.runner) =>
    runner.checkpoints.filter(({ sessionId }) => sessionId === spec.sessionId);
  const openingsOf = ({ spec }: SessionClient, runner = bed.runner) =>
    runner.opened.filter(({ sessionId }) => sessionId === spec.sessionId);
  const untilCheckpoint = (session: SessionClient, number: number) =>
    until(session.stored, (document) => document?.checkpoint?.number === number);
  const find = (events: Event[], type: string) => events.find(({ payload }) => payload.case === type)?.payload.value;

  /** Ready, with its first checkpoint stored. */
  async function storedSession(spec: SessionSpec = sampleSession()): Promise<SessionClient> {
    const session = await startSession(bed, spec);
    await session.untilState('ready');
    await untilCheckpoint(session, 1);
    return session;
  }

  async function onOther<T>(work: () => Promise<T>): Promise<T> {
    Object.assign(bed.runner.script, { full: true });
    Object.assign(other.script, { full: false });
    const result = await work();
    Object.assign(bed.runner.script, { full: false });
    Object.assign(other.script, { full: true });
    return result;
  }

  async function run(session: SessionClient, script = 'exit 0'): Promise<string> {
    const command = sampleCommand(script);
    await session.run(command);
    await session.untilEnded(command.id);
    return command.id;
  }

  it('are checkpointed when it has become ready, and after commands once it is quiet', async () => {
    const session = await storedSession();
    // It is not quiet before this one has ended, however long the others take.
    const last = sampleCommand('hold', { background: true });
    await session.run(last);
    const ids = [await run(session), await run(session), await run(session)];
    await until(async () => bed.runner.isHeld(last.id), Boolean);
    await bed.runner.release(last.id);
    const document = await untilCheckpoint(session, 2);
    expect(checkpointsOf(session)).toHaveLength(2);
    expect(checkpointsOf(session)[1]).toMatchObject({ number: 2, compact: false, label: '' });
    // Of their ends it hears in any order.
    const { commandId } = checkpointsOf(session)[1]!;
    expect([...ids, last.id]).toContain(commandId);
    expect(checkpointsOf(session)[1]!.previous?.number).toBe(1);
    expect(checkpointsOf(session)[1]!.bundles).toHaveLength(1);
    expect(document).toMatchObject({ headCommit: 'c'.repeat(40), filesGeneration: 1 });
    expect(document!.artifacts).toHaveLength(2);
    const created = (await session.events()).filter(({ payload }) => payload.case === 'checkpointCreated');
    expect(created.map(({ commandId }) => commandId)).toEqual(['', commandId]);
  });

  it('cost commands in quick succession no timer each', async () => {
    const session = await storedSession();
    const timers = async () =>
      (await session.handle.fetchHistory()).events!.filter((event) => event.timerStartedEventAttributes).length;
    const before = await timers();
    const startedMs = Date.now();
    for (let i = 0; i < 20; i++) await run(session);
    const seconds = Math.ceil((Date.now() - startedMs) / 1_000);
    expect((await timers()) - before).toBeLessThanOrEqual(2 * seconds + 2);
    await until(session.stored, (document) => (document?.checkpoint?.number ?? 0) >= 2);
  });

  it('that are as before make no checkpoint, and leaving the branch is said once', async () => {
    const session = await storedSession();
    Object.assign(bed.runner.script, { checkpoints: 'unchanged', headRef: 'refs/heads/elsewhere' });
    await run(session);
    await until(session.history, (history) => history.includes('sessionBranchLeft'));
    await run(session);
    await until(
      async () => checkpointsOf(session).length,
      (count) => count === 3,
    );
    expect((await session.stored())?.checkpoint?.number).toBe(1);
    expect((await session.history()).filter((type) => type === 'sessionBranchLeft')).toHaveLength(1);
    expect(find(await session.events(), 'sessionBranchLeft')).toMatchObject({ actualRef: 'refs/heads/elsewhere' });
  });

  it('are checkpointed when somebody asks, and a repeated request is the same one', async () => {
    const session = await storedSession();
    Object.assign(bed.runner.script, { checkpoints: 'unchanged' });
    const checkpointId = newId('checkpoint');
    const made = await session.checkpoint(checkpointId, 'before the storm');
    expect(made).toMatchObject({ id: checkpointId, number: 2, label: 'before the storm' });
    const again = session.handle.executeUpdate('createCheckpoint', {
      args: [{ checkpointId, label: 'before the storm' }],
      updateId: 'another-update',
    });
    expect(await again).toEqual(made);
    expect(checkpointsOf(session)).toHaveLength(2);
    Object.assign(bed.runner.script, { checkpoints: 'fail' });
    await expectRefused(session.checkpoint(newId('checkpoint')), 'checkpoint_failed');
  });

  it('are checkpointed at once for who reads them, if something has ended, and not if nothing has', async () => {
    const session = await storedSession();
    expect(await session.settleFiles()).toMatchObject({ upToDate: true, document: { checkpoint: { number: 1 } } });
    expect(checkpointsOf(session)).toHaveLength(1);
    await run(session);
    const [one, two] = await Promise.all([session.settleFiles(), session.settleFiles()]);
    for (const settled of [one, two]) {
      expect(settled).toMatchObject({ upToDate: true, document: { checkpoint: { number: 2 } } });
    }
    Object.assign(bed.runner.script, { checkpoints: 'unchanged' });
    await run(session);
    expect(await session.settleFiles()).toMatchObject({ upToDate: true, document: { checkpoint: { number: 2 } } });
    Object.assign(bed.runner.script, { checkpoints: 'fail' });
    await run(session);
    expect(await session.settleFiles()).toMatchObject({ upToDate: false, document: { checkpoint: { number: 2 } } });
  });

  it('of one that sleeps are read without waking it', async () => {
    const session = await storedSession();
    await session.hibernate();
    const before = await session.history();
    expect(await session.settleFiles()).toMatchObject({ upToDate: true, document: { state: 'hibernated' } });
    expect(await session.history()).toEqual(before);
  });

  it('do not keep a command waiting while they are checkpointed', async () => {
    const session = await storedSession();
    Object.assign(bed.runner.script, { checkpoints: 'hold' });
    await run(session);
    await until(
      async () => checkpointsOf(session).length,
      (count) => count === 2,
    );
    await run(session);
    expect((await session.describe()).checkpoint?.number).toBe(1);
    Object.assign(bed.runner.script, { checkpoints: 'changed' });
    await untilCheckpoint(session, 3);
  });

  it('are kept when it hibernates, and are as they were when the next command wakes it', async () => {
    const session = await storedSession({ ...withSetup(['exit 0']), hibernateAfterSeconds: 0 });
    await run(session);
    const document = await session.hibernate();
    expect(document.state).toBe('hibernated');
    expect(document.artifacts.some((name) => name.startsWith('archive/'))).toBe(true);
    expect(bed.runner.hibernated.at(-1)).toMatchObject({ archiveBytesMax: 1_000_000 });
    expect(find(await session.events(), 'sessionHibernated')).toMatchObject({
      reason: 'requested',
      keptIn: 'archive',
    });
    const attempts = bed.runner.attempts.length;
    await run(session);
    await session.untilState('ready');
    expect(bed.runner.attempts.slice(attempts).map(({ command }) => command.origin)).toEqual(['user']);
    expect(openingsOf(session).at(-1)).toMatchObject({ filesGeneration: 1, generation: 2 });
    await until(session.stored, (stored) => stored?.state === 'ready' && stored.filesGeneration === 2);
    expect((await session.stored())!.artifacts.some((name) => name.startsWith('archive/'))).toBe(false);
    expect(find(await session.events(), 'sessionResumed')).toMatchObject({ restoredFrom: 'volume' });
  });

  it('stay where they are when their checkpoint cannot be stored: it does not hibernate, and says why', async () => {
    const session = await storedSession();
    Object.assign(bed.runner.script, { checkpoints: 'fail' });
    await expectRefused(session.hibernate(), 'checkpoint_failed');
    expect((await session.describe()).state).toBe('ready');
    expect(bed.runner.hibernated.some(({ sessionId }) => sessionId === session.spec.sessionId)).toBe(false);
    await run(session);
    Object.assign(bed.runner.script, { checkpoints: 'changed' });
    expect((await session.hibernate()).state).toBe('hibernated');
  });

  it('stay in their volume when they cannot be archived', async () => {
    const session = await storedSession();
    Object.assign(bed.runner.script, { archives: 'fail' });
    expect((await session.hibernate()).state).toBe('hibernated');
    expect(find(await session.events(), 'sessionHibernated')).toMatchObject({ keptIn: 'volume' });
    expect((await session.resume()).state).toBe('resuming');
    await session.untilState('ready');
  });

  it('do not count as asleep while the sandbox cannot be stopped', async () => {
    const session = await storedSession();
    const asked = () => bed.runner.hibernated.filter(({ sessionId }) => sessionId === session.spec.sessionId).length;
    Object.assign(bed.runner.script, { archives: 'running' });
    const hibernating = session.hibernate();
    await until(
      async () => asked(),
      (times) => times >= 4,
    );
    expect((await session.describe()).state).toBe('hibernating');
    Object.assign(bed.runner.script, { archives: 'whole' });
    expect((await hibernating).state).toBe('hibernated');
  });

  it('are not put to sleep while a command is live, and a command that comes meanwhile wakes them', async () => {
    const session = await storedSession();
    const held = sampleCommand('hold');
    await session.run(held);
    await expectRefused(session.hibernate(), 'session_busy');
    await bed.runner.release(held.id);
    await session.untilEnded(held.id);
    Object.assign(bed.runner.script, { checkpoints: 'hold' });
    const hibernating = session.hibernate();
    await session.untilState('hibernating');
    const command = sampleCommand('exit 0');
    expect(await session.run(command)).toEqual({ state: 'queued' });
    Object.assign(bed.runner.script, { checkpoints: 'changed' });
    await hibernating;
    await session.untilEnded(command.id);
    await session.untilState('ready');
    const history = await session.history();
    for (const type of ['sessionHibernating', 'sessionHibernated', 'sessionResuming', 'sessionResumed']) {
      expect(history).toContain(type);
    }
  });

  it('are put to sleep after true idleness', async () => {
    const session = await storedSession({ ...sampleSession(), hibernateAfterSeconds: 8 });
    await session.untilState('hibernated');
    await until(session.history, (history) => history.includes('sessionHibernated'));
    expect(find(await session.events(), 'sessionHibernated')).toMatchObject({ reason: 'idle' });
  });

  it('follow a runner that wants them gone once no command is live, and come back on any', async () => {
    const session = await storedSession();
    const held = sampleCommand('hold');
    await session.run(held);
    await session.handle.signal(hibernateWhenIdle, { reason: 'runner_draining' });
    await session.untilState('busy');
    await bed.runner.release(held.id);
    await session.untilState('hibernated');
    expect((await session.describe()).runnerId).toBeNull();
    await onOther(async () => {
      await run(session);
      await session.untilState('ready');
    });
    expect((await session.describe()).runnerId).toBe(otherId);
    expect(openingsOf(session, other)[0]!.restore).toMatchObject({ archive: { kind: 'whole' } });
    await until(session.history, (history) => history.includes('sessionResumed'));
    const events = await session.events();
    expect(find(events, 'sessionRestored')).toMatchObject({ runnerId: otherId, notKept: [] });
    expect(find(events, 'sessionResumed')).toMatchObject({ restoredFrom: 'archive' });
  });

  it('move at their next command when the runner on which they sleep drains', async () => {
    const session = await storedSession();
    await session.hibernate();
    expect((await session.describe()).runnerId).not.toBeNull();
    Object.assign(bed.runner.script, { draining: true });
    Object.assign(other.script, { full: false });
    await run(session);
    expect((await session.describe()).runnerId).toBe(otherId);
    expect(find(await session.events(), 'sessionRestored')).toMatchObject({ runnerId: otherId, notKept: [] });
  });

  it('wait, and the history tells so once, while no runner has a place for them', async () => {
    bed.runner.script.full = true;
    const session = await startSession(bed, sampleSession());
    const told = (history: readonly string[]) => history.filter((type) => type === 'limitReached').length;
    await until(session.history, (history) => told(history) === 1);
    expect(find(await session.events(), 'limitReached')).toEqual(
      expect.objectContaining({ limit: 'runner_slots', detail: 'no slot is free' }),
    );
    expect((await session.stored())?.waitingForPlaceSince).not.toBeNull();
    bed.runner.script.full = false;
    await session.untilState('ready');
    expect(told(await session.history())).toBe(1);
    expect((await session.stored())?.waitingForPlaceSince).toBeNull();
  });

  it('go to another runner when their own has no slot for long', async () => {
    const session = await storedSession();
    await session.hibernate();
    const waiting = await onOther(async () => {
      await session.resume();
      const document = await until(session.stored, (stored) => stored?.waitingForPlaceSince !== null);
      await session.untilState('ready');
      return document;
    });
    expect(waiting!.state).toBe('resuming');
    expect(await session.describe()).toMatchObject({ runnerId: otherId, waitingForPlaceSince: null });
  });

  it('are restored from the checkpoint when their host is lost: what ran has ended, what waited runs', async () => {
    const session = await onOther(() => storedSession(withSetup(['exit 0'])));
    const [running, waiting] = [sampleCommand('hold'), sampleCommand('exit 0')];
    await session.run(running);
    await session.run(waiting);
    await until(async () => other.isHeld(running.id), Boolean);
    const { generation } = await session.describe();
    await session.loseHost({ runnerId: 'another', generation });
    await session.loseHost({ runnerId: otherId, generation });
    await session.loseHost({ runnerId: otherId, generation });
    const end = await session.untilEnded(running.id);
    expect(end.payload.value).toMatchObject({ outcome: CommandOutcome.HOST_LOST });
    expect(end.number).toBe(2n);
    await session.untilEnded(waiting.id);
    await session.untilState('ready');
    // The lost one comes back, and finds that nobody listens to it.
    await other.release(running.id).catch(() => {});
    const events = await session.events();
    expect(
      events.filter(({ commandId, payload }) => commandId === running.id && payload.case === 'commandEnded'),
    ).toEqual([end]);
    expect(find(events, 'sessionResuming')).toMatchObject({ reason: 'host_lost' });
    expect(find(events, 'sessionRestored')).toMatchObject({
      checkpointId:
        (await session.stored())?.checkpoint?.number === 1
          ? (await session.stored())!.checkpoint!.id
          : expect.any(String),
      notKept: expect.arrayContaining(['ignored files', 'changes after checkpoint 1']),
    });
    expect(find(events, 'sessionResumed')).toMatchObject({ restoredFrom: 'checkpoint' });
    const origins = bed.runner.attempts.filter(({ sessionId }) => sessionId === session.spec.sessionId);
    expect(origins.map(({ command }) => command.origin)).toEqual(['setup', 'user']);
  });

  it('keep the end that a lost host had written before', async () => {
    const session = await onOther(() => storedSession());
    const command = sampleCommand('hold');
    await session.run(command);
    await until(async () => other.isHeld(command.id), Boolean);
    const { generation } = await session.describe();
    await bed.stopOrchestrator();
    await session.loseHost({ runnerId: otherId, generation });
    await other.release(command.id, 7);
    await bed.startOrchestrator();
    await session.untilState('ready');
    expect((await session.untilEnded(command.id)).payload.value).toMatchObject({ exitCode: 7 });
    const ends = (await session.events()).filter(({ payload }) => payload.case === 'commandEnded');
    expect(ends).toHaveLength(1);
  });

  it('are not those of a checkpoint that was under way when the host was lost: its producer is closed', async () => {
    const session = await onOther(() => storedSession());
    Object.assign(other.script, { checkpoints: 'hold' });
    await run(session);
    const { checkpointId } = (await until(async () => checkpointsOf(session, other)[1], Boolean))!;
    const { generation } = await session.describe();
    await session.loseHost({ runnerId: otherId, generation });
    const closing = (events: Event[]) => events.find(({ producer }) => producer === checkpointId);
    const gap = closing(await until(session.events, (events) => closing(events) !== undefined))!;
    expect(gap).toMatchObject({ number: 1n, payload: { case: 'gap', value: { reason: 'host_lost' } } });
    Object.assign(other.script, { checkpoints: 'changed' });
    await session.untilState('ready');
    expect(openingsOf(session)[0]!.restore?.checkpoint?.number).toBe(1);
    await untilCheckpoint(session, 2);
    expect((await session.stored())?.checkpoint?.id).not.toBe(checkpointId);
  });

  it('are reverted to an earlier checkpoint: what was there is one, and how they are then; asked again, it is the same', async () => {
    const session = await storedSession();
    const to = (await session.stored())!.checkpoint!;
    await run(session);
    const checkpointId = newId('checkpoint');
    const made = await session.revert(to, { checkpointId });
    const { number } = made.checkpoint;
    expect(made).toMatchObject({ checkpoint: { id: checkpointId, tree: to.tree }, exact: true, notRestored: [] });
    expect(await session.revert(to, { checkpointId, updateId: 'another-update' })).toEqual(made);
    const reverted = bed.runner.reverted.filter(({ sessionId }) => sessionId === session.spec.sessionId);
    expect(reverted).toMatchObject([{ revertId: checkpointId, to, from: { number: number - 1 } }]);
    expect(reverted[0]!.bundles).toHaveLength(number - 1);
    const events = await session.events();
    const told = events.find(({ payload }) => payload.case === 'sessionReverted')!;
    expect(told.actor).toMatchObject({ id: 'prn_someone' });
    expect(told.payload.value).toMatchObject({
      ...{ checkpointId: to.id, checkpointNumber: 1, newCheckpointId: checkpointId, newCheckpointNumber: number },
      ...{ exact: true, notTouched: made.notTouched },
    });
    await run(session);
    await untilCheckpoint(session, number + 1);
  });

  it('are not reverted while a command is live, unless forced: it is canceled for that, and what comes meanwhile waits', async () => {
    const session = await storedSession();
    const to = (await session.stored())!.checkpoint!;
    const [foreground, background] = [sampleCommand('hold'), sampleCommand('hold', { background: true })];
    await session.run(foreground);
    await session.run(background);
    await expectRefused(session.revert(to), 'session_busy');
    await until(async () => bed.runner.isHeld(foreground.id) && bed.runner.isHeld(background.id), Boolean);
    Object.assign(bed.runner.script, { reverts: 'hold' });
    const reverting = session.revert(to, { force: true });
    await until(async () => bed.runner.reverted.some(({ sessionId }) => sessionId === session.spec.sessionId), Boolean);
    for (const { id } of [foreground, background]) {
      expect((await session.untilEnded(id)).payload.value).toMatchObject({
        outcome: CommandOutcome.CANCELED,
        reason: 'reverted',
      });
    }
    const next = sampleCommand('exit 0');
    expect(await session.run(next)).toEqual({ state: 'queued' });
    await expectRefused(session.hibernate(), 'session_busy');
    Object.assign(bed.runner.script, { reverts: 'made' });
    await reverting;
    await session.untilEnded(next.id);
  });

  it('are reverted in a session that sleeps, which is woken for it', async () => {
    const session = await storedSession();
    const to = (await session.stored())!.checkpoint!;
    await run(session);
    await session.hibernate();
    expect(await session.revert(to)).toMatchObject({ exact: true });
    expect(find(await session.events(), 'sessionResuming')).toMatchObject({ reason: 'revert' });
  });

  it('are reverted whoever dies meanwhile: their sandbox, the orchestrator, their host', async () => {
    const session = await onOther(() => storedSession());
    const to = (await session.stored())!.checkpoint!;
    await run(session);
    Object.assign(other.script, { reverts: 'hold' });
    const checkpointId = newId('checkpoint');
    const reverting = session.revert(to, { checkpointId }).catch((error: unknown) => error);
    const attempts = (runner: ScriptedRunner) =>
      runner.reverted.filter(({ sessionId }) => sessionId === session.spec.sessionId).length;
    await until(
      async () => attempts(other),
      (count) => count === 1,
    );
    other.loseSandbox(session.spec.sessionId);
    Object.assign(other.script, { reverts: 'made', full: false });
    await until(
      async () => attempts(other),
      (count) => count === 2,
    );
    expect(await reverting).toMatchObject({ exact: true, checkpoint: { id: checkpointId } });

    Object.assign(other.script, { reverts: 'hold' });
    const again = newId('checkpoint');
    const lost = session.revert(to, { checkpointId: again }).catch((error: unknown) => error);
    await until(
      async () => attempts(other),
      (count) => count === 3,
    );
    await bed.stopOrchestrator();
    await bed.startOrchestrator();
    Object.assign(other.script, { full: true });
    const { generation } = await session.describe();
    await session.loseHost({ runnerId: otherId, generation });
    Object.assign(other.script, { reverts: 'made' });
    expect(await lost).toMatchObject({ exact: true });
    expect(attempts(bed.runner)).toBe(1);
    const reverts = (await session.events()).filter(({ payload }) => payload.case === 'sessionReverted');
    expect(reverts).toHaveLength(2);
  });

  it('that cannot be reverted are said so, and commands go on', async () => {
    const session = await storedSession();
    const to = (await session.stored())!.checkpoint!;
    Object.assign(bed.runner.script, { checkpoints: 'fail' });
    await expectRefused(session.revert(to), 'checkpoint_failed');
    Object.assign(bed.runner.script, { checkpoints: 'changed', reverts: 'missing' });
    const checkpointId = newId('checkpoint');
    await expectRefused(session.revert(to, { checkpointId }), 'checkpoint_failed');
    await run(session);
    Object.assign(bed.runner.script, { reverts: 'made' });
    const updateId = 'once-more';
    expect(await session.revert(to, { checkpointId, updateId })).toMatchObject({ exact: true });
  });

  it('being reverted do not keep their session from its archive', async () => {
    const session = await storedSession();
    const to = (await session.stored())!.checkpoint!;
    Object.assign(bed.runner.script, { reverts: 'hold' });
    const reverting = session.revert(to);
    await until(async () => bed.runner.reverted.some(({ sessionId }) => sessionId === session.spec.sessionId), Boolean);
    const refused = expectRefused(reverting, 'checkpoint_failed');
    expect((await session.archive()).state).toBe('archived');
    await refused;
  });

  it('are written one after the other while commands run, each once, and told with who did it', async () => {
    const session = await storedSession();
    const held = sampleCommand('hold');
    await session.run(held);
    const asked = (runner = bed.runner) =>
      runner.changedFiles.filter(({ sessionId }) => sessionId === session.spec.sessionId);
    Object.assign(bed.runner.script, { fileChanges: 'hold' });
    const content = { name: 'content', sha256: 'c'.repeat(64), bytes: 1 };
    const ids = [newId('event'), newId('event'), newId('event')];
    const changes = ids.map((changeId) => session.changeFile({ changeId, content }));
    await until(
      async () => asked().length,
      (count) => count === 1,
    );
    expect((await session.describe()).artifacts).toContain('content');
    Object.assign(bed.runner.script, { fileChanges: 'made' });
    const made = await Promise.all(changes);
    expect(made[0]).toMatchObject({ status: 'modified', additions: 2, deletions: 1 });
    expect(await session.changeFile({ changeId: ids[0]!, content }, 'another-update')).toEqual(made[0]);
    expect(new Set(asked().map(({ order }) => order.changeId))).toEqual(new Set(ids));
    const told = (await session.events()).filter(
      ({ payload, producer }) => payload.case === 'filesChanged' && producer === 'session',
    );
    expect(told).toHaveLength(3);
    expect(told[0]).toMatchObject({ actor: { id: 'prn_someone' } });
    expect(told[0]!.payload.value).toMatchObject({
      ...{ source: 'api', checkpointId: '' },
      files: [{ path: 'a/b', status: 'modified', additions: 2n }],
    });
    await bed.runner.release(held.id);
    await untilCheckpoint(session, 2);
  });

  it('that are not as expected are refused, and nothing is told of them', async () => {
    const session = await storedSession();
    Object.assign(bed.runner.script, { fileChanges: 'refused' });
    await expectRefused(session.changeFile({ expected: 'absent' }), 'precondition_failed');
    Object.assign(bed.runner.script, { fileChanges: 'unchanged' });
    expect(await session.changeFile()).toMatchObject({ status: 'unchanged' });
    const told = (await session.events()).filter(
      ({ payload, producer }) => payload.case === 'filesChanged' && producer === 'session',
    );
    expect(told).toEqual([]);
  });

  it('are written in a session that sleeps, whose sandbox is lost, or whose host is, and then it is said that it may be done', async () => {
    const session = await onOther(() => storedSession());
    const asked = (runner: ScriptedRunner) =>
      runner.changedFiles.filter(({ sessionId }) => sessionId === session.spec.sessionId);
    Object.assign(other.script, { fileChanges: 'hold' });
    const first = session.changeFile();
    await until(
      async () => asked(other).length,
      (count) => count === 1,
    );
    other.loseSandbox(session.spec.sessionId);
    Object.assign(other.script, { fileChanges: 'made', full: false });
    expect(await first).toMatchObject({ status: 'modified' });
    expect(asked(other).map(({ again }) => again)).toEqual([false, true]);
    Object.assign(other.script, { fileChanges: 'hold' });
    const second = session.changeFile();
    await until(
      async () => asked(other).length,
      (count) => count === 3,
    );
    Object.assign(other.script, { full: true });
    const { generation } = await session.describe();
    await session.loseHost({ runnerId: otherId, generation });
    Object.assign(other.script, { fileChanges: 'made' });
    expect(await second).toMatchObject({ status: 'modified' });
    expect(asked(bed.runner).map(({ again }) => again)).toEqual([true]);
    await session.hibernate();
    expect(await session.changeFile()).toMatchObject({ status: 'modified' });
    expect((await session.history()).filter((type) => type === 'sessionResuming').length).toBeGreaterThanOrEqual(3);
  });

  it('are checkpointed once more before it is archived, and only checkpoints are kept', async () => {
    const session = await storedSession();
    await run(session);
    const document = await session.archive();
    expect(document).toMatchObject({ state: 'archived', checkpoint: { number: 2 } });
    expect(document.artifacts).toHaveLength(2);
    expect((await session.history()).slice(-2)).toEqual(['checkpointCreated', 'sessionArchived']);
  });
});

async function expectRefused(update: Promise<unknown>, code: string): Promise<void> {
  const error = await update.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(WorkflowUpdateFailedError);
  expect((error as WorkflowUpdateFailedError).cause).toMatchObject({ type: code });
}
