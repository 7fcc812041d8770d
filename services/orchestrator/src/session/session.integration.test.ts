import { WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { limits } from '@worktrail/contract/limits';
import { sandboxStopped } from '@worktrail/contract/session-messages';
import { CommandOutcome, type Event } from '@worktrail/proto/event';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type OrchestratorBed, type Servers, startOrchestratorBed, startServers } from '../../test/orchestrator-bed.ts';
import { liveCommandBytesMax } from './commands.ts';
import { sampleCommand, sampleSession, withSetup } from '../../test/samples.ts';
import { type SessionClient, startSession, until } from '../../test/session-client.ts';

let servers: Servers;
beforeAll(async () => {
  servers = await startServers();
});
afterAll(() => servers.stop());

// A worker that keeps no workflow in memory replays each task: what is not deterministic shows at once.
describe('a session', () => {
  let bed: OrchestratorBed;
  beforeAll(async () => {
    bed = await startOrchestratorBed(servers, 0);
  });
  afterAll(() => bed.stop());

  async function readySession(spec = sampleSession()): Promise<SessionClient> {
    const session = await startSession(bed, spec);
    await session.untilState('ready');
    return session;
  }

  /** But for checkpoints, which come when it has been quiet for a moment. */
  const lifeOf = async (session: SessionClient) =>
    (await session.history()).filter((type) => type !== 'checkpointCreated');

  const untilHeld = (commandId: string) => until(async () => bed.runner.isHeld(commandId), Boolean);
  const attemptsOf = (commandId: string) => bed.runner.attempts.filter(({ command }) => command.id === commandId);

  it('is created, becomes ready, runs a command and is archived', async () => {
    const session = await readySession();
    const command = sampleCommand('exit 0');

    expect(await session.run(command)).toEqual({ state: 'running' });
    expect((await session.untilEnded(command.id)).number).toBe(3n);

    expect((await session.archive()).state).toBe('archived');
    await session.handle.result();
    const history = await session.history();
    expect(history.slice(0, 3)).toEqual(['sessionCreated', 'sessionPlaced', 'sessionReady']);
    expect(history.at(-1)).toBe('sessionArchived');
    expect((await session.stored())?.state).toBe('archived');
    expect(bed.runner.removed.map(({ sessionId }) => sessionId)).toContain(session.spec.sessionId);
  });

  it('schedules a command in the very workflow task in which it was accepted', async () => {
    const session = await readySession();
    const command = sampleCommand('exit 0');
    await session.run(command);
    await session.untilEnded(command.id);

    const { events } = await session.handle.fetchHistory();
    const of = (attributes: keyof NonNullable<typeof events>[number]) => events!.filter((event) => event[attributes]);
    const accepted = of('workflowExecutionUpdateAcceptedEventAttributes')[0]!;
    const scheduled = of('activityTaskScheduledEventAttributes').find(
      (event) => event.activityTaskScheduledEventAttributes?.activityType?.name === 'runCommand',
    )!;
    const task = of('workflowTaskCompletedEventAttributes').filter((event) => event.eventId!.lt(accepted.eventId!));
    expect(scheduled.activityTaskScheduledEventAttributes!.workflowTaskCompletedEventId).toEqual(task.at(-1)!.eventId);
  });

  it('records that it is busy once a command takes long, and that it is ready after it', async () => {
    const session = await readySession();
    const long = sampleCommand('hold');
    await session.run(long);
    await until(session.history, (history) => history.includes('sessionBusy'));
    await until(session.stored, (document) => document?.state === 'busy');
    await bed.runner.release(long.id);
    await until(session.stored, (document) => document?.state === 'ready');
    expect((await lifeOf(session)).slice(2)).toEqual(['sessionReady', 'sessionBusy', 'sessionReady']);
  });

  it('runs setup commands first and in order, then what was asked meanwhile', async () => {
    const session = await startSession(bed, withSetup(['exit 0', 'exit 0']));
    const command = sampleCommand('exit 0');
    await session.run(command);
    await session.untilEnded(command.id);
    const attempts = bed.runner.attempts.filter(({ sessionId }) => sessionId === session.spec.sessionId);
    expect(attempts.map(({ command: { origin } }) => origin)).toEqual(['setup', 'setup', 'user']);
    expect((await session.untilState('ready')).failure).toBeNull();
  });

  it('fails when a setup command does not exit 0, says which, ends what waits and leaves no sandbox behind', async () => {
    const session = await startSession(bed, withSetup(['hold', 'exit 9']));
    await until(
      async () => bed.runner.attempts.at(-1)?.sessionId,
      (id) => id === session.spec.sessionId,
    );
    const waiting = sampleCommand('exit 0');
    await session.run(waiting);
    await bed.runner.release(bed.runner.attempts.at(-1)!.command.id);

    const document = await session.untilState('failed');
    expect(document.failure).toEqual({
      code: 'setup_failed',
      detail: 'setup command 2 of 2 ("exit 9") exited with 9',
    });
    const end = await session.untilEnded(waiting.id);
    expect(end).toMatchObject({ number: 2n, payload: { value: { outcome: CommandOutcome.FAILED_TO_START } } });
    await until(
      async () => bed.runner.removed.map(({ sessionId }) => sessionId),
      (removed) => removed.includes(session.spec.sessionId),
    );
    await expectRefused(session.run(sampleCommand('exit 0')), 'session_failed');
    expect((await session.archive()).state).toBe('archived');
  });

  it('fails with the reason the runner gives', async () => {
    bed.runner.failNextOpen('base_ref_not_found', 'there is no branch "x"');
    const session = await startSession(bed, sampleSession());
    expect((await session.untilState('failed')).failure).toEqual({
      code: 'base_ref_not_found',
      detail: 'there is no branch "x"',
    });
  });

  it('runs commands one after the other, and background commands beside them', async () => {
    const session = await readySession();
    const [first, second, beside] = [
      sampleCommand('hold'),
      sampleCommand('hold'),
      sampleCommand('hold', { background: true }),
    ];
    expect(await session.run(first)).toEqual({ state: 'running' });
    expect(await session.run(second)).toEqual({ state: 'queued' });
    expect(await session.run(beside)).toEqual({ state: 'running' });
    await untilHeld(beside.id);
    expect(attemptsOf(second.id)).toEqual([]);

    const queued = (all: Awaited<ReturnType<typeof session.events>>) =>
      all.some((event) => event.commandId === second.id && event.payload.case === 'commandQueued');
    await until(session.events, queued);
    await bed.runner.release(first.id);
    await untilHeld(second.id);
    expect(attemptsOf(second.id)[0]?.queuedRecorded).toBe(true);
    await bed.runner.release(second.id);
    await bed.runner.release(beside.id);
    expect((await session.untilEnded(second.id)).number).toBe(3n);
    await session.untilState('ready');
  });

  it('cancels a command that runs and one that waits, and nothing that has ended', async () => {
    const session = await readySession();
    const [running, waiting] = [sampleCommand('hold'), sampleCommand('exit 0')];
    await session.run(running);
    await session.run(waiting);
    await untilHeld(running.id);

    expect(await session.cancel(waiting.id)).toEqual({ accepted: true });
    expect(await session.untilEnded(waiting.id)).toMatchObject({
      number: 2n,
      payload: { value: { outcome: CommandOutcome.CANCELED, reason: 'asked' } },
    });
    expect(await session.cancel(running.id)).toEqual({ accepted: true });
    expect(await session.untilEnded(running.id)).toMatchObject({
      payload: { value: { outcome: CommandOutcome.CANCELED, reason: 'asked' } },
    });
    await session.untilState('ready');
    expect(await session.cancel(running.id)).toEqual({ accepted: false });
    expect(attemptsOf(waiting.id)).toEqual([]);
  });

  it('answers a repeated command as the first time, and runs it once', async () => {
    const session = await readySession();
    const command = sampleCommand('exit 0');
    await session.run(command);
    await session.untilEnded(command.id);
    await session.untilState('ready');
    const again = session.handle.executeUpdate('runCommand', { args: [command], updateId: 'another-update' });
    expect(await again).toEqual({ state: 'running' });
    expect(attemptsOf(command.id)).toHaveLength(1);
  });

  it('refuses more background commands than may be live', async () => {
    const session = await readySession();
    const commands = Array.from({ length: limits.liveCommandsMax }, () => sampleCommand('hold', { background: true }));
    await Promise.all(commands.map((command) => session.run(command)));
    await expectRefused(session.run(sampleCommand('hold', { background: true })), 'live_commands_exceeded');
    await Promise.all(commands.map((command) => session.cancel(command.id)));
    await session.untilState('ready');
  });

  it('opens the sandbox again when the runner says it is gone, and runs the command there', async () => {
    const session = await readySession();
    bed.runner.loseSandbox(session.spec.sessionId);
    const command = sampleCommand('exit 0');
    await session.run(command);
    await session.untilEnded(command.id);
    await until(session.history, (history) => history.filter((type) => type === 'sessionReady').length === 2);
    expect((await session.history()).slice(3)).toEqual(
      expect.arrayContaining(['sessionResuming', 'sessionResumed', 'sessionReady']),
    );
    expect((await session.describe()).generation).toBe(2);
    expect(attemptsOf(command.id).map(({ generation }) => generation)).toEqual([1, 2]);
  });

  it('hibernates when its runner stops the sandbox, ignores older news, and resumes for the next command', async () => {
    const session = await readySession();
    await session.handle.signal(sandboxStopped, { generation: 7, reason: 'cluster_stopped' });
    await session.handle.signal(sandboxStopped, { generation: 1, reason: 'cluster_stopped' });
    await until(session.stored, (document) => document?.state === 'hibernated');

    const command = sampleCommand('exit 0');
    expect(await session.run(command)).toEqual({ state: 'queued' });
    await session.untilEnded(command.id);
    await session.untilState('ready');
    await until(session.history, (history) => history.includes('sessionResumed'));
    expect((await lifeOf(session)).slice(3, 6)).toEqual(['sessionHibernated', 'sessionResuming', 'sessionResumed']);
    expect((await session.describe()).generation).toBe(2);
  });

  it('is not archived while a command is live', async () => {
    const session = await readySession();
    const command = sampleCommand('hold');
    await session.run(command);
    await expectRefused(session.archive(), 'session_busy');
    await bed.runner.release(command.id);
    expect((await session.archive()).state).toBe('archived');
    await session.handle.result();
  });

  it('shows a new title in its read model before the change is answered', async () => {
    const session = await readySession();
    const seen = { title: session.spec.title, labels: session.spec.labels };
    const changes = await Promise.allSettled([1, 2, 3].map((n) => session.patch({ title: `Change ${n}`, seen })));
    expect(changes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected', 'rejected']);
    expect((await session.patch({ title: 'Another', labels: { a: 'b' } })).title).toBe('Another');
    expect(await session.stored()).toMatchObject({ title: 'Another', labels: { a: 'b' } });
  });

  it('takes a change only of what its asker has seen', async () => {
    const session = await readySession();
    const { title, labels } = await session.patch({ title: 'Seen', labels: { a: '1' } });
    const seen = { title, labels };
    await session.patch({ labels: { a: '2' }, seen });
    const refused = session.patch({ labels: { a: '3' }, seen });
    await expect(refused).rejects.toMatchObject({ cause: { type: 'precondition_failed' } });
    expect(await session.stored()).toMatchObject({ title: 'Seen', labels: { a: '2' } });
  });

  it('refuses and loses no command while it continues in new runs all the time', async () => {
    const session = await startSession(bed, sampleSession(), { updatesMax: 2 });
    await session.untilState('ready');
    const first = await session.handle.describe();
    const commands = Array.from({ length: 12 }, (_, index) => sampleCommand('exit 0', { background: index % 2 === 0 }));
    const lanes = [0, 1, 2].map((lane) => commands.filter((_, index) => index % 3 === lane));
    await Promise.all(
      lanes.map(async (lane) => {
        for (const command of lane) await session.run(command);
      }),
    );
    const isEnd = ({ payload }: Event) => payload.case === 'commandEnded';
    const events = await until(session.events, (all) => all.filter(isEnd).length >= commands.length);
    expect(new Set(events.filter(isEnd).map(({ commandId }) => commandId)).size).toBe(commands.length);
    expect((await session.handle.describe()).runId).not.toBe(first.runId);
  });

  it('carries as much into a new run as its specification and its live commands may hold', async () => {
    const spec = { ...sampleSession(), env: { FILL: 'x'.repeat(limits.sessionSpecBytesMax - 1_000) } };
    const session = await startSession(bed, spec, { updatesMax: 13 });
    await session.untilState('ready');
    const { runId } = await session.handle.describe();
    const bytes = Math.floor(liveCommandBytesMax / limits.liveCommandsMax) - 1_000;
    const held = Array.from({ length: limits.liveCommandsMax }, () =>
      sampleCommand('hold', { background: true, env: { FILL: 'x'.repeat(bytes) } }),
    );
    for (const command of held) expect(await session.run(command)).toEqual({ state: 'running' });
    // Something has to happen after the last update: one of them ends.
    const [ended, ...live] = held;
    await bed.runner.release(ended!.id);
    await until(
      () => session.handle.describe(),
      (run) => run.runId !== runId,
    );
    for (const { id } of live) {
      await until(
        async () => attemptsOf(id).length,
        (attempts) => attempts > 1,
      );
      await bed.runner.release(id);
      await session.untilEnded(id);
    }
  });

  it('carries its live commands into a new run: nothing is canceled, lost or run twice', async () => {
    const session = await startSession(bed, sampleSession(), { updatesMax: 3 });
    await session.untilState('ready');
    const first = await session.handle.describe();
    const [held, waiting] = [sampleCommand('hold'), sampleCommand('exit 0')];
    await session.run(held);
    await session.run(waiting);
    const beside = Array.from({ length: 6 }, () => sampleCommand('exit 0', { background: true }));
    for (const command of beside) {
      await session.run(command);
      await session.untilEnded(command.id);
    }
    await until(
      () => session.handle.describe(),
      ({ runId }) => runId !== first.runId,
    );
    await until(
      async () => attemptsOf(held.id).length,
      (attempts) => attempts > 1,
    );
    const asked = attemptsOf(held.id).map(({ queuedRecorded }) => queuedRecorded);
    expect(asked.slice(0, 2)).toEqual([false, true]);
    // Known from the run before.
    expect(await session.run(beside[0]!)).toEqual({ state: 'running' });
    expect(attemptsOf(beside[0]!.id)).toHaveLength(1);

    await bed.runner.release(held.id, 4);
    expect(await session.untilEnded(held.id)).toMatchObject({ payload: { value: { exitCode: 4 } } });
    await session.untilEnded(waiting.id);
    await session.untilState('ready');
    const ends = (await session.events()).filter((event) => event.payload.case === 'commandEnded');
    expect(ends.map((event) => event.commandId).sort()).toEqual(
      [held, waiting, ...beside].map((command) => command.id).sort(),
    );
    expect((await session.archive()).state).toBe('archived');
  });
});

async function expectRefused(update: Promise<unknown>, code: string): Promise<void> {
  const error = await update.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(WorkflowUpdateFailedError);
  const { cause } = error as WorkflowUpdateFailedError;
  expect(cause).toBeInstanceOf(ApplicationFailure);
  expect((cause as ApplicationFailure).type).toBe(code);
}
