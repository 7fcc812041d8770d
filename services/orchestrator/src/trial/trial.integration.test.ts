import { CommandOutcome } from '@worktrail/proto/event';
import type { TrialDocument } from '@worktrail/contract/documents';
import { limits } from '@worktrail/contract/limits';
import { sessionWorkflowId } from '@worktrail/contract/session-messages';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type OrchestratorBed, type Servers, startOrchestratorBed, startServers } from '../../test/orchestrator-bed.ts';
import { connectSession, until } from '../../test/session-client.ts';
import { sampleTrial, startTrial, type TrialClient } from '../../test/trial-client.ts';

let servers: Servers;
beforeAll(async () => {
  servers = await startServers();
});
afterAll(() => servers.stop());

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
  });

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
    const bothRun = ({ sessions }: TrialDocument) =>
      sessions.slice(0, 2).every(({ commandIds }) => commandIds.length === 1);
    const running = await until(trial.describe, bothRun);
    expect(running.sessions.map(({ state }) => state)).toEqual(['running', 'running', 'pending']);

    await until(async () => bed.runner.isHeld(running.sessions[0]!.commandIds[0]!), Boolean);
    await bed.runner.release(running.sessions[0]!.commandIds[0]!);
    const next = await until(trial.describe, ({ sessions }) => sessions[2]!.commandIds.length === 1);
    expect(next.sessions.map(({ state }) => state)).toEqual(['ended', 'running', 'running']);
    await trial.cancel();
  });

  it('stops what runs when it is canceled, and its sessions live on', async () => {
    const trial = await startTrial(bed, sampleTrial([['hold'], ['exit 0']], { maxParallel: 1 }));
    const running = await until(trial.describe, ({ sessions }) => sessions[0]!.commandIds.length === 1);
    const [commandId] = running.sessions[0]!.commandIds;
    await until(async () => bed.runner.isHeld(commandId!), Boolean);

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

  it('goes on in a new run where the old one stopped', async () => {
    const plan = Array.from({ length: 4 }, () => 'exit 0');
    const trial = await startTrial(bed, sampleTrial([plan, plan]), { eventsMax: 30 });
    const first = await trial.handle.describe();
    const document = await trial.ended();
    expect(document.sessions.map(({ verdict }) => verdict)).toEqual(['passed', 'passed']);
    expect(document.sessions.map(({ commandIds }) => new Set(commandIds).size)).toEqual([4, 4]);
    expect((await trial.handle.describe()).runId).not.toBe(first.runId);
    const ends = (await sessionOf(trial, 1).events()).filter((event) => event.payload.case === 'commandEnded');
    expect(ends).toHaveLength(4);
  });
});
