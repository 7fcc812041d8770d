import { CommandOutcome } from '@worktrail/proto/event';
import type { TrialDocument } from '@worktrail/contract/documents';
import { limits } from '@worktrail/contract/limits';
import { type RunTrialTurn, runTrialTurn, sessionWorkflowId } from '@worktrail/contract/session-messages';
import { turnReported } from '@worktrail/contract/trial-messages';
import type { TurnSpec } from '@worktrail/contract/turns';
import { sessionKey } from '@worktrail/contract/subjects';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type OrchestratorBed, type Servers, startOrchestratorBed, startServers } from '../../test/orchestrator-bed.ts';
import { connectSession, until } from '../../test/session-client.ts';
import { sampleTurn } from '../../test/samples.ts';
import { sampleTrial, startTrial, type TrialClient } from '../../test/trial-client.ts';

let servers: Servers;
beforeAll(async () => {
  servers = await startServers();
});
afterAll(() => servers.stop());

const isTurnReport = (event: { workflowExecutionSignaledEventAttributes?: { signalName?: string | null } | null }) =>
  event.workflowExecutionSignaledEventAttributes?.signalName === turnReported;

/** No model answers it. */
function hopelessTurn(): TurnSpec {
  const turn = sampleTurn('Mend it.');
  return { ...turn, agent: { ...turn.agent, model: 'nobody/none' } };
}

// A worker that keeps no workflow in memory replays each task: what is not deterministic shows at once.
describe('a trial', () => {
  let bed: OrchestratorBed;
  beforeAll(async () => {
    bed = await startOrchestratorBed(servers, 0);
  });
  afterAll(() => bed.stop());

  const sessionOf = (trial: TrialClient, index: number) => {
    const spec = trial.spec.attempts[index]!.session;
    return connectSession(bed, spec, bed.client.workflow.getHandle(sessionWorkflowId(spec.sessionId)));
  };

  /** A query may be told of a workflow task that is then lost, and done again with other ids: what runs is what the runner has. */
  const holdsFirst = ({ sessions: [first] }: TrialDocument) => first!.commandIds.some(bed.runner.isHeld);

  it('runs each attempt in a session of its own, and sets the verdict by the first command that fails', async () => {
    const trial = await startTrial(
      bed,
      sampleTrial([
        ['exit 0', 'exit 0'],
        ['exit 3', 'exit 0'],
      ]),
    );
    const document = await trial.ended();

    expect(document.state).toBe('completed');
    expect(document.sessions.map(({ verdict }) => verdict)).toEqual(['passed', 'failed']);
    expect(document.sessions[1]).toMatchObject({ reason: 'command "exit 3" exited with 3', state: 'ended' });
    expect(document.sessions.map(({ commandIds }) => commandIds.length)).toEqual([2, 1]);
    const session = sessionOf(trial, 0);
    const started = (await session.handle.fetchHistory()).events![0]!.workflowExecutionStartedEventAttributes;
    expect(Number(started?.workflowTaskTimeout?.seconds)).toBe(5);
    expect((await session.describe()).trialId).toBe(trial.spec.trialId);
    expect((await session.events()).filter((event) => event.payload.case === 'commandEnded')).toHaveLength(2);
    const { trialId, taskId } = trial.spec;
    const judged = { trialId, taskId, strategy: 'commands', attempt: 2, verdict: 'failed' };
    expect(await verdictsIn(sessionOf(trial, 1))).toEqual([
      expect.objectContaining({ ...judged, reason: 'command "exit 3" exited with 3' }),
    ]);
    expect(await verdictsIn(session)).toMatchObject([{ attempt: 1, verdict: 'passed', reason: '' }]);
  });

  const verdictsIn = async (session: ReturnType<typeof sessionOf>) =>
    (await session.events()).flatMap(({ payload }) => (payload.case === 'trialVerdict' ? [payload.value] : []));

  it('starts with as much as a trial may', async () => {
    const attempts = Array.from({ length: 10 }, () => ['exit 0']);
    const spec = sampleTrial(attempts, { maxParallel: attempts.length });
    const bytes = limits.trialSpecBytesMax / attempts.length - 1_500;
    for (const { session } of spec.attempts) session.env['FILL'] = 'x'.repeat(bytes);
    const document = await (await startTrial(bed, spec)).ended();
    expect(document.sessions.map(({ verdict }) => verdict)).toEqual(attempts.map(() => 'passed'));
  });

  it('verifies after the commands, and the verifying commands decide', async () => {
    const trial = await startTrial(bed, sampleTrial([['exit 0']], { verify: ['exit 0', 'exit 7', 'exit 0'] }));
    const document = await trial.ended();
    expect(document.sessions[0]).toMatchObject({
      verdict: 'failed',
      reason: 'verifying command "exit 7" exited with 7',
    });
    expect(document.sessions[0]!.commandIds).toHaveLength(3);
  });

  it('has no more attempts running at once than maxParallel', async () => {
    const trial = await startTrial(bed, sampleTrial([['hold'], ['hold'], ['hold']], { maxParallel: 2 }));
    const bothRun = (document: TrialDocument) =>
      holdsFirst(document) && document.sessions.slice(0, 2).every(({ commandIds }) => commandIds.length === 1);
    const running = await until(trial.describe, bothRun);
    expect(running.sessions.map(({ state }) => state)).toEqual(['running', 'running', 'pending']);

    await bed.runner.release(running.sessions[0]!.commandIds[0]!);
    const next = await until(trial.describe, ({ sessions }) => sessions[2]!.commandIds.length === 1);
    expect(next.sessions.map(({ state }) => state)).toEqual(['ended', 'running', 'running']);
    await trial.cancel();
  });

  it('stops what runs when it is canceled, and its sessions live on', async () => {
    const trial = await startTrial(bed, sampleTrial([['hold'], ['exit 0']], { maxParallel: 1 }));
    const running = await until(trial.describe, holdsFirst);
    const [commandId] = running.sessions[0]!.commandIds;

    expect((await trial.cancel()).state).toBe('canceled');
    expect(await trial.ended()).toMatchObject({ state: 'canceled', sessions: [{ verdict: null }, { verdict: null }] });
    const end = await sessionOf(trial, 0).untilEnded(commandId!);
    expect(end.payload).toMatchObject({
      case: 'commandEnded',
      value: { outcome: CommandOutcome.CANCELED, reason: 'trial_canceled' },
    });
    expect((await sessionOf(trial, 0).untilState('ready')).state).toBe('ready');
  });

  it('ends an attempt without a verdict when its session fails, and fails when no attempt got one', async () => {
    bed.runner.failNextOpen('repository_unreachable', 'no such repository');
    const trial = await startTrial(bed, sampleTrial([['exit 0']]));
    expect(await trial.ended()).toMatchObject({
      state: 'failed',
      sessions: [{ verdict: null, reason: 'the session failed: repository_unreachable: no such repository' }],
    });
  });

  it('ends an attempt without a verdict when its session is ended from outside', async () => {
    const trial = await startTrial(bed, sampleTrial([['hold']]));
    await until(trial.describe, ({ sessions }) => sessions[0]!.commandIds.length === 1);
    await sessionOf(trial, 0).handle.terminate('gone');
    expect(await trial.ended()).toMatchObject({ state: 'failed', sessions: [{ reason: 'the session is gone' }] });
  });

  // No provider of models is configured here: each turn fails at its first step.
  it('runs the commands of an attempt, then its message, and fails it when the turn was not completed', async () => {
    const message = hopelessTurn();
    const trial = await startTrial(bed, sampleTrial([{ commands: ['exit 0'], message }], { verify: ['exit 0'] }));
    const [attempt] = (await trial.ended()).sessions;
    expect(attempt).toMatchObject({ verdict: 'failed', turnId: message.id });
    expect(attempt!.reason).toMatch(/^its turn ended as failed: there is no model/);
    expect(attempt!.commandIds).toHaveLength(1);
    const events = (await sessionOf(trial, 0).events()).map(({ payload }) => payload.case);
    const order = ['commandEnded', 'messageUser', 'turnStarted', 'turnEnded'];
    expect(events.filter((name) => order.includes(name ?? ''))).toEqual(order);
  });

  it('is told of a turn again when it asks again, and what comes twice changes nothing', async () => {
    const message = hopelessTurn();
    const trial = await startTrial(bed, sampleTrial([{ commands: [], message }, ['hold']]));
    // What is recorded is of no workflow task that is done again, at another time.
    const judged = await until(trial.recorded, (document) => document?.sessions[0]!.state === 'ended');
    const [ended, held] = judged!.sessions;
    const reportTo = { workflowId: trial.handle.workflowId, steps: true };
    const session = sessionOf(trial, 0);
    for (let times = 0; times < 2; times += 1) {
      await session.handle.signal<[RunTrialTurn]>(runTrialTurn, { turn: message, reportTo });
    }
    const told = async () => (await trial.handle.fetchHistory()).events!.filter(isTurnReport).length;
    await until(told, (count) => count >= 2);
    expect((await trial.describe()).sessions[0]).toEqual(ended);
    const messages = (await session.events()).filter(({ payload }) => payload.case === 'messageUser');
    expect(messages).toHaveLength(1);
    await until(trial.describe, ({ sessions }) => sessions[1]!.commandIds.length === 1);
    await until(async () => bed.runner.isHeld((await trial.describe()).sessions[1]!.commandIds[0]!), Boolean);
    await bed.runner.release((await trial.describe()).sessions[1]!.commandIds[0]!);
    expect((await trial.ended()).sessions.map(({ verdict }) => verdict)).toEqual(['failed', 'passed']);
    expect(held!.turnId).toBeNull();
  });

  it('gives an attempt no verdict whose session fails before it could be told the message', async () => {
    bed.runner.failNextOpen('repository_unreachable', 'no such repository');
    const trial = await startTrial(bed, sampleTrial([{ commands: [], message: sampleTurn('Mend it.') }]));
    expect(await trial.ended()).toMatchObject({
      state: 'failed',
      sessions: [{ verdict: null, reason: 'the session failed: repository_unreachable: no such repository' }],
    });
  });

  it('stops what runs and what waits once an attempt has passed, where it is told so', async () => {
    const spec = sampleTrial([['hold'], ['exit 0'], ['exit 0']], { maxParallel: 2, stopWhen: 'passed' });
    const { organizationId, sessionId } = spec.attempts[2]!.session;
    const key = sessionKey(organizationId, sessionId);
    await bed.sessions.put(key, JSON.stringify({ version: 0, id: sessionId, state: 'creating' }));
    const trial = await startTrial(bed, spec);
    const document = await trial.ended();
    expect(document).toMatchObject({ state: 'completed', reason: 'attempt 2 passed' });
    expect((await bed.sessions.get(key))!.json()).toMatchObject({ version: 1, state: 'archived' });
    const reason = 'another attempt passed';
    expect(document.sessions[2]).toMatchObject({ verdict: null, reason, commandIds: [], startedAt: null });
    const [stopped] = document.sessions;
    expect(stopped).toMatchObject({ verdict: null, reason });
    expect(await verdictsIn(sessionOf(trial, 0))).toMatchObject([{ attempt: 1, verdict: '', reason }]);
    expect(await verdictsIn(sessionOf(trial, 2))).toEqual([]);
    for (const commandId of stopped!.commandIds) {
      const end = await sessionOf(trial, 0).untilEnded(commandId);
      expect(end.payload).toMatchObject({ value: { reason: 'trial_attempt_passed' } });
    }
  });

  it('ends when its time is over, and goes on with its clock when the orchestrator was away', async () => {
    const createdAt = new Date().toISOString();
    const spec = sampleTrial([['exit 0'], ['hold'], ['hold']], { maxParallel: 2, createdAt, budget: { seconds: 30 } });
    const trial = await startTrial(bed, spec);
    await until(trial.describe, ({ sessions }) => sessions[0]!.verdict === 'passed');
    await bed.stopOrchestrator();
    await bed.startOrchestrator();
    const document = await trial.ended();
    const reason = 'the budget of the trial is used up: 30 seconds are over';
    expect(document).toMatchObject({ state: 'completed', reason });
    expect(document.sessions.map(({ verdict }) => verdict)).toEqual(['passed', null, null]);
    expect(document.sessions[1]).toMatchObject({ reason });
    const end = await sessionOf(trial, 1).untilEnded(document.sessions[1]!.commandIds[0]!);
    expect(end.payload).toMatchObject({ value: { reason: 'trial_budget_seconds' } });
  });

  it('goes on in a new run where the old one stopped', async () => {
    const plan = ['exit 0', 'exit 0', 'hold', 'exit 0'];
    const trial = await startTrial(bed, sampleTrial([plan, plan]), { eventsMax: 30 });
    const held = await until(trial.describe, ({ sessions }) =>
      sessions.every(({ commandIds }) => commandIds.length === 3 && bed.runner.isHeld(commandIds[2]!)),
    );
    const begun = async () => (await trial.handle.fetchHistory()).events![0]!.workflowExecutionStartedEventAttributes;
    await until(begun, (attributes) => Boolean(attributes?.continuedExecutionRunId));
    for (const { commandIds } of held.sessions) await bed.runner.release(commandIds[2]!);
    const document = await trial.ended();
    expect(document.sessions.map(({ verdict }) => verdict)).toEqual(['passed', 'passed']);
    expect(document.sessions.map(({ commandIds }) => new Set(commandIds).size)).toEqual([4, 4]);
    const ends = (await sessionOf(trial, 1).events()).filter((event) => event.payload.case === 'commandEnded');
    expect(ends).toHaveLength(4);
  });
});
