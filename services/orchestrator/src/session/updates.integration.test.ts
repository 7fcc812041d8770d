import { randomUUID } from 'node:crypto';
import { WorkflowUpdateFailedError } from '@temporalio/client';
import { newId } from '@worktrail/contract/ids';
import { type UpdateDocument, updateSession, type UpdateSessionRequest } from '@worktrail/contract/session-messages';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { type OrchestratorBed, type Servers, startOrchestratorBed, startServers } from '../../test/orchestrator-bed.ts';
import { captured } from '../../test/proposal-client.ts';
import { sampleCommand, sampleSession } from '../../test/samples.ts';
import { type SessionClient, startSession, until } from '../../test/session-client.ts';

let servers: Servers;
let bed: OrchestratorBed;
beforeAll(async () => {
  servers = await startServers();
  bed = await startOrchestratorBed(servers, 0);
});
afterEach(() => Object.assign(bed.runner.script, { updates: 'updated', checkpoints: 'changed' }));
afterAll(async () => {
  await bed.stop();
  await servers.stop();
});

const by = { kind: 'user', id: 'prn_1' } as const;
const update = (
  { handle }: SessionClient,
  method: UpdateSessionRequest['method'] = 'merge',
  updateId: string = randomUUID(),
) => handle.executeUpdate<UpdateDocument, [UpdateSessionRequest]>(updateSession, { args: [{ updateId, method, by }] });

async function refusal(asked: Promise<unknown>): Promise<string | null | undefined> {
  const error = await asked.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(WorkflowUpdateFailedError);
  return ((error as WorkflowUpdateFailedError).cause as { type?: string | null }).type;
}

async function storedSession(): Promise<SessionClient> {
  const session = await startSession(bed, sampleSession());
  await session.untilState('ready');
  await until(session.stored, (document) => document?.checkpoint?.number === 1);
  return session;
}

it('brings the default branch in between two checkpoints, says so, and shows the position', async () => {
  const session = await storedSession();
  expect((await session.stored())!.position).toEqual({ ahead: 1, behind: 2 });
  Object.assign(bed.runner.script, { updates: 'conflicts' });
  const updated = await update(session, 'rebase');
  expect(updated).toMatchObject({ outcome: 'conflicts', conflicts: ['a', 'b'], commit: 'f'.repeat(40) });
  expect(updated.document).toMatchObject({ state: 'ready', checkpoint: { number: 3 } });
  expect(bed.runner.updates.at(-1)).toMatchObject({ method: 'rebase', repository: session.spec.repository });
  const own = (await session.events()).filter(({ producer }) => producer === 'session');
  expect(own.slice(-3).map(({ payload }) => payload.case)).toEqual([
    'checkpointCreated',
    'sessionUpdated',
    'checkpointCreated',
  ]);
  expect(own.at(-2)!.payload.value).toMatchObject({ method: 'rebase', outcome: 'conflicts', conflicts: ['a', 'b'] });
  Object.assign(bed.runner.script, { updates: 'up_to_date' });
  expect((await update(session)).document.checkpoint?.number).toBe(4);
});

it('is refused while a command runs; one that comes meanwhile waits, and a second update, a revert and a proposal are refused', async () => {
  const session = await storedSession();
  const held = sampleCommand('hold');
  await session.run(held);
  expect(await refusal(update(session))).toBe('session_busy');
  await bed.runner.release(held.id);
  await session.untilEnded(held.id);

  Object.assign(bed.runner.script, { updates: 'hold' });
  const asked = bed.runner.updates.length;
  const updating = update(session);
  await until(
    async () => bed.runner.updates.length,
    (count) => count > asked,
  );
  const { checkpoint } = await session.describe();
  const others = [update(session), session.revert(checkpoint!), captured(session)];
  expect(await Promise.all(others.map(refusal))).toEqual(others.map(() => 'session_busy'));
  const command = sampleCommand('exit 0');
  expect(await session.run(command)).toEqual({ state: 'queued' });
  expect(
    (await session.events()).some(
      ({ commandId, payload }) => commandId === command.id && payload.case === 'commandStarted',
    ),
  ).toBe(false);
  Object.assign(bed.runner.script, { updates: 'updated' });
  expect((await updating).outcome).toBe('updated');
  await session.untilEnded(command.id);
});

it('that takes longer than a request waits goes on, and who asks again under its id gets how it ended', async () => {
  const session = await startSession(bed, sampleSession(), { answerPatienceMs: 200 });
  await until(session.stored, (document) => document?.checkpoint?.number === 1);
  Object.assign(bed.runner.script, { updates: 'hold' });
  const asked = bed.runner.updates.length;
  const updating = update(session, 'merge', 'update-1');
  await until(
    async () => bed.runner.updates.length,
    (count) => count > asked,
  );
  expect(await refusal(update(session, 'merge', 'update-1'))).toBe('still_running');
  const again = () =>
    update(session, 'merge', 'update-1').catch(async (refused: unknown) => {
      expect(await refusal(Promise.reject(refused))).toBe('still_running');
    });
  const joining = until(again, Boolean);
  Object.assign(bed.runner.script, { updates: 'updated' });
  const { outcome, commit } = await updating;
  expect(await joining).toMatchObject({ outcome, commit });
  expect(await update(session, 'merge', 'update-1')).toMatchObject({ outcome, commit });
  expect(bed.runner.updates).toHaveLength(asked + 1);
  expect((await session.history()).filter((type) => type === 'sessionUpdated')).toHaveLength(1);
});

it('is over before the session is put to sleep or archived, before a file is changed, and before a checkpoint is made', async () => {
  const session = await storedSession();
  Object.assign(bed.runner.script, { updates: 'hold' });
  const asked = bed.runner.updates.length;
  const updating = update(session);
  await until(
    async () => bed.runner.updates.length,
    (count) => count > asked,
  );
  const { removed } = bed.runner;
  const others = [session.archive(), session.hibernate()];
  expect(await Promise.all(others.map(refusal))).toEqual(others.map(() => 'session_busy'));
  const changing = session.changeFile();
  const checkpoint = session.checkpoint(newId('checkpoint'), 'asked for');
  const ofSession = ({ sessionId }: { sessionId: string }) => sessionId === session.spec.sessionId;
  // With the first one and the one before the update, and no other.
  await expect.poll(() => bed.runner.checkpoints.filter(ofSession).length).toBe(2);
  expect(bed.runner.changedFiles.filter(ofSession)).toEqual([]);
  Object.assign(bed.runner.script, { updates: 'updated' });
  // Its own after it and the one that was asked for, in the order in which the session has heard of them.
  const numbers = [(await updating).document.checkpoint?.number, (await checkpoint).number];
  for (const number of numbers) expect(number).toBeGreaterThan(2);
  expect(await changing).toMatchObject({ status: 'modified' });
  expect(removed.filter((ref) => ofSession(ref))).toEqual([]);
  expect((await session.archive()).state).toBe('archived');
});

it('says why where git would not begin, and leaves the session as it was', async () => {
  const session = await storedSession();
  Object.assign(bed.runner.script, { updates: 'refuse' });
  expect(await refusal(update(session))).toBe('conflict');
  Object.assign(bed.runner.script, { checkpoints: 'fail' });
  const asked = bed.runner.updates.length;
  expect(await refusal(update(session))).toBe('checkpoint_failed');
  expect(bed.runner.updates).toHaveLength(asked);
  Object.assign(bed.runner.script, { checkpoints: 'changed' });
  const command = sampleCommand('exit 0');
  await session.run(command);
  await session.untilEnded(command.id);
  expect(await session.history()).not.toContain('sessionUpdated');
});

it('wakes a session that sleeps, and is given up with a host that is lost', async () => {
  const session = await storedSession();
  await session.hibernate();
  expect((await update(session)).outcome).toBe('updated');
  Object.assign(bed.runner.script, { updates: 'hold' });
  const asked = bed.runner.updates.length;
  const updating = refusal(update(session));
  await until(
    async () => bed.runner.updates.length,
    (count) => count > asked,
  );
  const { generation, runnerId } = await session.describe();
  await session.loseHost({ runnerId: runnerId!, generation });
  expect(await updating).toBe('dependency_unavailable');
  Object.assign(bed.runner.script, { updates: 'updated' });
  await session.untilState('ready');
  const command = sampleCommand('exit 0');
  await session.run(command);
  await session.untilEnded(command.id);
});
