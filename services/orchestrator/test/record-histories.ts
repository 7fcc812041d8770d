// Records the histories that the replay tests replay: `node services/orchestrator/test/record-histories.ts [recordTrial …]`, after a change of workflow code that is meant to
// be incompatible. What was recorded before and is still replayed proves that a change is compatible with live workflows.

import { mkdir, writeFile } from 'node:fs/promises';
import type { WorkflowHandle } from '@temporalio/client';
import type { ForkPoint } from '@worktrail/contract/forks';
import { newId } from '@worktrail/contract/ids';
import { answerPermission, type AnswerPermissionRequest, permissionId } from '@worktrail/contract/permissions';
import {
  forkSession,
  type ForkSessionRequest,
  sandboxStopped,
  type UpdateDocument,
  updateSession,
  type UpdateSessionRequest,
  workflowTaskQueue,
} from '@worktrail/contract/session-messages';
import type { TurnSpec } from '@worktrail/contract/turns';
import {
  type EventPlace,
  replayDelivery,
  webhookKey,
  type WebhookSpec,
  webhookWorkflow,
  webhookWorkflowId,
} from '@worktrail/contract/webhooks';
import { type OrchestratorBed, startOrchestratorBed, startServers } from './orchestrator-bed.ts';
import { captured, startProposal } from './proposal-client.ts';
import { historyToJson } from './recorded-history.ts';
import { sampleCommand, sampleFork, sampleSession, sampleTurn, sampleWebhook, withSetup } from './samples.ts';
import { makeScannedProject } from './scan-client.ts';
import { runnerId } from './scripted-runner.ts';
import { sampleFinding } from './scripted-scans.ts';
import { startSession, until } from './session-client.ts';
import { sampleTrial, startTrial } from './trial-client.ts';

type Recording = Record<string, WorkflowHandle>;

const directory = new URL('../histories/', import.meta.url);

async function recordSessionLife(bed: OrchestratorBed): Promise<Recording> {
  const session = await startSession(bed, withSetup(['exit 0']));
  await session.untilState('ready');
  const [first, second, third] = [sampleCommand('hold'), sampleCommand('exit 0'), sampleCommand('hold')];
  for (const command of [first, second, third]) await session.run(command);
  await until(session.history, (history) => history.includes('sessionBusy'));
  await session.cancel(third.id);
  await bed.runner.release(first.id);
  await session.untilEnded(second.id);
  await session.patch({ title: 'Another' });
  await session.untilState('ready');
  await session.archive();
  await session.handle.result();
  return { 'session-life': session.handle };
}

async function recordSessionResumed(bed: OrchestratorBed): Promise<Recording> {
  const session = await startSession(bed, sampleSession());
  await session.untilState('ready');
  await session.handle.signal(sandboxStopped, { generation: 1, reason: 'cluster_stopped' });
  await session.untilState('hibernated');
  const [first, second] = [sampleCommand('exit 0'), sampleCommand('exit 0')];
  await session.run(first);
  await session.untilEnded(first.id);
  await session.untilState('ready');
  bed.runner.loseSandbox(session.spec.sessionId);
  await session.run(second);
  await session.untilEnded(second.id);
  await session.untilState('ready');
  await session.archive();
  return { 'session-resumed': session.handle };
}

async function recordSessionHibernated(bed: OrchestratorBed): Promise<Recording> {
  const session = await startSession(bed, withSetup(['exit 0']));
  await session.untilState('ready');
  await session.run(sampleCommand('exit 0'));
  await until(session.stored, (document) => document?.checkpoint?.number === 1);
  await session.checkpoint(newId('checkpoint'), 'asked for');
  bed.runner.script.checkpoints = 'fail';
  await session.hibernate().catch(() => {});
  bed.runner.script.checkpoints = 'changed';
  await session.hibernate();
  await session.resume();
  await session.untilState('ready');
  await session.archive();
  return { 'session-hibernated': session.handle };
}

async function recordSessionHostLost(bed: OrchestratorBed): Promise<Recording> {
  const other = await bed.startRunner('runner-lost');
  bed.runner.script.full = true;
  const session = await startSession(bed, withSetup(['exit 0']));
  await until(session.stored, (document) => document?.checkpoint?.number === 1);
  bed.runner.script.full = false;
  const [first, second] = [sampleCommand('hold'), sampleCommand('exit 0')];
  for (const command of [first, second]) await session.run(command);
  await until(async () => other.isHeld(first.id), Boolean);
  await other.stop();
  await session.loseHost({ runnerId: 'runner-lost', generation: (await session.describe()).generation });
  await session.untilEnded(second.id);
  await session.untilState('ready');
  await session.archive();
  return { 'session-host-lost': session.handle };
}

async function recordSessionReverted(bed: OrchestratorBed): Promise<Recording> {
  const session = await startSession(bed, sampleSession());
  await session.untilState('ready');
  const stored = await until(session.stored, (document) => document?.checkpoint?.number === 1);
  await session.run(sampleCommand('hold'));
  await session.revert(stored!.checkpoint!, { force: true });
  await session.hibernate();
  await session.revert(stored!.checkpoint!);
  await session.archive();
  return { 'session-reverted': session.handle };
}

async function recordSessionFailed(bed: OrchestratorBed): Promise<Recording> {
  const session = await startSession(bed, withSetup(['exit 1']));
  await session.untilState('failed');
  await session.archive();
  return { 'session-failed': session.handle };
}

async function recordSessionContinued(bed: OrchestratorBed): Promise<Recording> {
  const session = await startSession(bed, sampleSession(), { updatesMax: 2 });
  await session.untilState('ready');
  const { runId } = await session.handle.describe();
  const held = sampleCommand('hold');
  await session.run(held);
  for (let i = 0; i < 3; i++) await session.run(sampleCommand('exit 0', { background: true }));
  await until(
    () => session.handle.describe(),
    (described) => described.runId !== runId,
  );
  await bed.runner.release(held.id);
  await session.untilState('ready');
  await session.archive();
  return {
    'session-continued-1': bed.client.workflow.getHandle(session.handle.workflowId, runId),
    'session-continued-2': session.handle,
  };
}

async function recordSessionForked(bed: OrchestratorBed): Promise<Recording> {
  const parent = await startSession(bed, sampleSession());
  await parent.untilState('ready');
  const sessionId = newId('session');
  const request: ForkSessionRequest = { forks: [sessionId], checkpoint: null, by: parent.spec.createdBy };
  const point = await parent.handle.executeUpdate<ForkPoint, [ForkSessionRequest]>(forkSession, { args: [request] });
  const fork = await startSession(bed, sampleFork(parent.spec, point, sessionId));
  const command = sampleCommand('exit 0');
  await fork.run(command);
  await fork.untilEnded(command.id);
  await until(fork.stored, (document) => document?.checkpoint?.number === 2);
  for (const session of [fork, parent]) await session.archive();
  return { 'session-forked': parent.handle, 'session-fork': fork.handle };
}

async function recordSessionUpdated(bed: OrchestratorBed): Promise<Recording> {
  const session = await startSession(bed, sampleSession());
  await session.untilState('ready');
  const request: UpdateSessionRequest = { updateId: 'update-1', method: 'merge', by: session.spec.createdBy };
  await session.handle.executeUpdate<UpdateDocument, [UpdateSessionRequest]>(updateSession, { args: [request] });
  bed.runner.script.updates = 'refuse';
  await session.handle.executeUpdate(updateSession, { args: [request] }).catch(() => {});
  bed.runner.script.updates = 'updated';
  await session.archive();
  return { 'session-updated': session.handle };
}

/** One turn that uses tools of each kind, one that is stopped while its command runs, and one whose model there is not. */
async function recordSessionTurns(bed: OrchestratorBed): Promise<Recording> {
  const use = (tool: string, input: object) => ({ tool, input });
  bed.model.answer = ({ text, step }) => {
    if (text === 'hold') return { text: 'I wait.', calls: [use('run_command', { command: 'hold' })] };
    const calls = [
      [use('run_command', { command: 'exit 0' }), use('read_file', { path: 'README.md' })],
      [use('update_plan', { items: [] }), use('no_such_tool', {}), use('run_command', { command: 'exit 3' })],
      [],
    ][step - 1];
    return { reasoning: 'So be it.', text: `Step ${step}.`, calls: calls ?? [] };
  };
  const session = await startSession(bed, sampleSession());
  await session.untilState('ready');
  const ended = (turns: number) =>
    until(session.history, (history) => history.filter((type) => type === 'turnEnded').length === turns);
  const [done, held, failing] = [sampleTurn('do it'), sampleTurn('hold'), sampleTurn('fail')];
  await session.say(done);
  await session.say(held);
  await ended(1);
  const begun = await until(session.events, (events) =>
    events.some(({ turnId, payload }) => turnId === held.id && payload.case === 'toolStarted'),
  );
  await until(
    async () => bed.runner.attempts.find(({ command }) => command.turnId === held.id),
    (attempt) => attempt !== undefined && begun.length > 0,
  );
  await session.cancelTurn(held.id);
  await ended(2);
  await session.say({ ...failing, agent: { ...failing.agent, model: 'nowhere/none' } });
  await ended(3);
  await session.archive();
  return { 'session-turns': session.handle };
}

/** Turns of an agent in the sandbox: one that answers, one that asks for a permission first, one that is canceled, one whose host is lost. */
async function recordSessionAgent(bed: OrchestratorBed): Promise<Recording> {
  const session = await startSession(bed, sampleSession());
  await session.untilState('ready');
  const sampleOf = (text: string) => {
    const turn = sampleTurn(text);
    const permissions = { ...turn.agent.permissions, execute: 'ask' } as const;
    return { ...turn, agent: { ...turn.agent, kind: 'custom', command: 'agent', permissions } } as const;
  };
  const has = (type: string, times = 1) =>
    until(session.history, (history) => history.filter((one) => one === type).length === times);
  const [asking, held, lost, canceled] = [sampleOf('ask'), sampleOf('hold'), sampleOf('use'), sampleOf('use')];
  await session.say(sampleOf('do it'));
  await has('turnEnded');
  await session.say(asking);
  await has('permissionRequested');
  const actor = { kind: 'user', id: 'prn_someone' } as const;
  const answer: AnswerPermissionRequest = {
    ...{ permissionId: permissionId(asking.id, 1), decision: 'allow', remember: false, actor },
  };
  await session.handle.executeUpdate(answerPermission, { args: [answer] });
  await has('turnEnded', 2);
  await session.say(held);
  await has('turnStarted', 3);
  await session.cancelTurn(held.id);
  await has('turnEnded', 3);
  const lose = async ({ id }: TurnSpec) => {
    await until(async () => bed.runner.agentTurns.some(({ turnId }) => turnId === id), Boolean);
    const { generation } = await session.describe();
    await session.loseHost({ runnerId, generation });
  };
  const ended = ({ id }: TurnSpec, outcome: string) =>
    until(session.events, (events) =>
      events.some(
        ({ turnId, payload }) => turnId === id && payload.case === 'turnEnded' && payload.value.outcome === outcome,
      ),
    );
  await session.say(lost);
  await lose(lost);
  // The lost host still answers that it is done; where the session goes on it is not.
  await ended(lost, 'failed');
  await session.untilState('ready');
  await session.say(canceled);
  bed.runner.script.full = true;
  await lose(canceled);
  await session.cancelTurn(canceled.id);
  await ended(canceled, 'canceled');
  bed.runner.script.full = false;
  await session.untilState('ready');
  await session.archive();
  return { 'session-agent': session.handle };
}

async function recordTrial(bed: OrchestratorBed): Promise<Recording> {
  const trial = await startTrial(bed, sampleTrial([['exit 0', 'exit 0'], ['exit 3']], { verify: ['exit 0'] }));
  await trial.ended();
  return { 'trial-completed': trial.handle };
}

async function recordTrialCanceled(bed: OrchestratorBed): Promise<Recording> {
  const trial = await startTrial(bed, sampleTrial([['hold'], ['exit 0']], { maxParallel: 1 }));
  await until(trial.describe, (document) => document.sessions[0]!.commandIds.length === 1);
  await trial.cancel();
  await trial.ended();
  return { 'trial-canceled': trial.handle };
}

/** No provider of models is configured: the turn fails. */
async function recordTrialAsked(bed: OrchestratorBed): Promise<Recording> {
  const asked = { commands: ['exit 0'], message: sampleTurn('Mend it.') };
  const createdAt = new Date().toISOString();
  const options = { createdAt, maxParallel: 2, stopWhen: 'passed', budget: { tokens: 1_000, seconds: 3_600 } } as const;
  const trial = await startTrial(bed, sampleTrial([asked, ['hold'], ['exit 0']], options));
  await trial.ended();
  return { 'trial-asked': trial.handle };
}

async function recordProposalMerged(bed: OrchestratorBed): Promise<Recording> {
  const session = await startSession(bed, sampleSession());
  await session.untilState('ready');
  const proposal = await startProposal(bed, session);
  await proposal.untilState('awaiting_approval');
  await proposal.approve('prn_one');
  bed.git.target = 'moved';
  bed.git.script.pushes = 'lost';
  await proposal.merge('prn_opener');
  await proposal.ended();
  return { 'proposal-merged': proposal.handle };
}

async function recordProposalClosed(bed: OrchestratorBed): Promise<Recording> {
  const session = await startSession(bed, sampleSession());
  await session.untilState('ready');
  const proposal = await startProposal(bed, session, { requiredChecks: ['exit 1'] });
  await proposal.untilState('checks_failed');
  bed.git.script.merges = 'conflicted';
  await proposal.again(await captured(session));
  bed.git.script.merges = 'clean';
  await proposal.close('prn_opener');
  await proposal.ended();
  return { 'proposal-closed': proposal.handle };
}

async function recordProposalPutUp(bed: OrchestratorBed): Promise<Recording> {
  const session = await startSession(bed, sampleSession());
  await session.untilState('ready');
  const policy = { requiredChecks: [], requiredApprovals: 0, mergeMethod: 'pull_request' as const };
  const proposal = await startProposal(bed, session, policy);
  await proposal.untilState('mergeable');
  bed.git.script.opens = 'lost';
  await proposal.merge('prn_opener');
  await until(proposal.describe, ({ pullRequest }) => pullRequest !== null);
  const [branch] = [...bed.git.pulls.keys()].slice(-1);
  bed.git.change(branch!, { state: 'merged', mergeCommit: 'm', mergedTree: 't', by: 'grace' });
  await proposal.ended();
  return { 'proposal-put-up': proposal.handle };
}

async function recordScan(bed: OrchestratorBed): Promise<Recording> {
  const project = await makeScannedProject(bed);
  bed.scans.findings = [sampleFinding('a'), sampleFinding('b')];
  const handle = await project.start({ checks: ['exit 3', 'exit 0'], model: 'none/such' });
  await handle.result();
  return { 'scan-completed': handle };
}

async function recordScanFailed(bed: OrchestratorBed): Promise<Recording> {
  const project = await makeScannedProject(bed);
  bed.scans.repository = 'unreachable';
  const handle = await project.start();
  await handle.result();
  bed.scans.repository = 'there';
  return { 'scan-failed': handle };
}

/** A receiver that may not be reached, an event, a replay of it, and the end of the webhook. */
async function recordWebhook(bed: OrchestratorBed): Promise<Recording> {
  const session = await startSession(bed, sampleSession());
  await session.untilState('ready');
  const { organizationId, sessionId } = session.spec;
  const webhook = sampleWebhook(organizationId);
  await bed.configuration.put(webhookKey(organizationId, webhook.id), JSON.stringify(webhook));
  const [first] = await bed.stored(sessionId);
  bed.matches.push({ organizationId, sessionId, ...first! });
  const spec: WebhookSpec = { organizationId, webhookId: webhook.id, after: [] };
  const handle = await bed.client.workflow.start(webhookWorkflow, {
    ...{ workflowId: webhookWorkflowId(webhook.id), taskQueue: workflowTaskQueue, args: [spec] },
  });
  const place = { sessionId, partition: 0, epoch: 1, sequence: first!.sequence, fill: 0, eventId: first!.event.id };
  await handle.executeUpdate<true, [EventPlace]>(replayDelivery, { args: [{ ...place, type: 'session.created' }] });
  await until(
    async () =>
      (await handle.fetchHistory()).events?.filter(({ activityTaskCompletedEventAttributes: is }) => is) ?? [],
    (done) => done.length >= 5,
  );
  await bed.configuration.delete(webhookKey(organizationId, webhook.id));
  await handle.result();
  return { 'webhook-served': handle };
}

async function recordReconciliation(bed: OrchestratorBed): Promise<Recording> {
  const handle = await bed.client.workflow.start('reconcile', {
    workflowId: 'reconcile',
    taskQueue: workflowTaskQueue,
  });
  await handle.result();
  return { reconcile: handle };
}

const servers = await startServers();
const bed = await startOrchestratorBed(servers, 1_000);
try {
  await mkdir(directory, { recursive: true });
  const scenarios = [
    recordSessionLife,
    recordSessionResumed,
    recordSessionHibernated,
    recordSessionHostLost,
    recordSessionReverted,
    recordSessionFailed,
    recordSessionContinued,
    recordSessionForked,
    recordSessionUpdated,
    recordSessionTurns,
    recordSessionAgent,
    recordTrial,
    recordTrialCanceled,
    recordTrialAsked,
    recordProposalMerged,
    recordProposalClosed,
    recordProposalPutUp,
    recordScan,
    recordScanFailed,
    recordWebhook,
    recordReconciliation,
  ];
  const wanted = process.argv.slice(2);
  for (const scenario of scenarios) {
    if (wanted.length > 0 && !wanted.includes(scenario.name)) continue;
    for (const [name, handle] of Object.entries(await scenario(bed))) {
      await writeFile(new URL(`${name}.json`, directory), historyToJson(await handle.fetchHistory()));
      console.log(`recorded ${name}`);
    }
  }
} finally {
  await bed.stop();
  await servers.stop();
}
