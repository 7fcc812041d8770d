// Removes one thing that has no counterpart, sets its document right, or begins its workflow again: after looking once more whether it is still so.
//
// Each of these may be done twice, by two orchestrators at once, and may be late: a newer document or order is never overwritten.

import type { JetStreamManager } from '@nats-io/jetstream';
import type { KV } from '@nats-io/kv';
import { type Client, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { isId } from '@worktrail/contract/ids';
import type { Finding } from '@worktrail/contract/doctor';
import type { ProposalDocument, RunnerOrder, SessionDocument, TrialDocument } from '@worktrail/contract/documents';
import { describeProposal, proposalWorkflowId } from '@worktrail/contract/proposal-messages';
import {
  describeSession,
  sessionWorkflowId,
  workflowTaskQueue,
  workflowTaskTimeoutMs,
} from '@worktrail/contract/session-messages';
import { proposalKey, sessionKey, trialKey } from '@worktrail/contract/subjects';
import { describeTrial, trialWorkflowId } from '@worktrail/contract/trial-messages';
import { type WebhookSpec, webhookStateKey, webhookWorkflow, webhookWorkflowId } from '@worktrail/contract/webhooks';
import { readAllDocuments } from '@worktrail/runtime/all-documents';
import { putVersioned, readDocument } from '@worktrail/runtime/buckets';
import { chunkSubject, infoSubject, type ObjectInfo, objectStream } from '@worktrail/runtime/object-store-layout';

import { isGone } from './look.ts';

const callTimeoutMs = 5_000;

export interface SetRightDeps {
  jsm: JetStreamManager;
  sessions: KV;
  trials: KV;
  proposals: KV;
  runnerOrders: KV;
  configuration: KV;
  client: Client;
  clock: () => number;
  /** Aborted: nothing else is begun. */
  signal: AbortSignal;
}

/** False where there is nothing to do any more, or it cannot be told. Of artifacts only what `unneededArtifacts` says. */
export async function setRight(deps: SetRightDeps, finding: Finding): Promise<boolean> {
  return await deps.client.withDeadline(deps.clock() + callTimeoutMs, async () => {
    switch (finding.kind) {
      case 'artifact':
        return await removeArtifact(deps, finding);
      case 'session':
        return await endSession(deps, finding);
      case 'trial':
        return await endTrial(deps, finding);
      case 'proposal':
        return await endProposal(deps, finding);
      case 'webhook':
        return await beginWebhook(deps, finding);
      case 'workflow':
        return await recordWorkflow(deps, finding);
      case 'order':
        return await removeOrder(deps, finding.name);
      default:
        return false;
    }
  });
}

async function endSession({ client, sessions }: SetRightDeps, { name, organizationId }: Finding): Promise<boolean> {
  const key = sessionKey(organizationId as string, name);
  const stored = await readDocument<SessionDocument>(sessions, key);
  if (!stored || ['failed', 'archived'].includes(stored.value.state) || !(await isGone(client, 'session', name))) {
    return false;
  }
  const failure = { code: 'internal', detail: 'its workflow is gone' };
  const { version } = stored.value;
  await putVersioned(sessions, key, {
    ...{ ...stored.value, failure, state: 'failed', waitingForPlaceSince: null },
    version: version + 1,
  });
  return true;
}

async function endTrial({ client, trials, clock }: SetRightDeps, { name, organizationId }: Finding): Promise<boolean> {
  const key = trialKey(organizationId as string, name);
  const stored = await readDocument<TrialDocument>(trials, key);
  if (stored?.value.state !== 'running' || !(await isGone(client, 'trial', name))) return false;
  const endedAt = new Date(clock()).toISOString();
  const ended: TrialDocument = { ...stored.value, state: 'failed', endedAt, version: stored.value.version + 1 };
  await putVersioned(trials, key, ended);
  return true;
}

async function endProposal(
  { client, proposals, clock }: SetRightDeps,
  { name, organizationId }: Finding,
): Promise<boolean> {
  const key = proposalKey(organizationId as string, name);
  const stored = await readDocument<ProposalDocument>(proposals, key);
  if (!stored || ['merged', 'rejected', 'closed'].includes(stored.value.state)) return false;
  if (!(await isGone(client, 'proposal', name))) return false;
  const updatedAt = new Date(clock()).toISOString();
  const { version } = stored.value;
  await putVersioned(proposals, key, {
    ...{ ...stored.value, state: 'closed', detail: 'its workflow is gone', artifacts: [], updatedAt },
    version: version + 1,
  });
  return true;
}

/** From where it has kept that it was. One that another has begun meanwhile is left alone, one whose webhook has gone ends by itself. */
async function beginWebhook(
  { client, configuration }: SetRightDeps,
  { name, organizationId }: Finding,
): Promise<boolean> {
  const stored = await readDocument<WebhookSpec>(configuration, webhookStateKey(organizationId as string, name));
  if (!stored) return false;
  try {
    await client.workflow.start(webhookWorkflow, {
      workflowId: webhookWorkflowId(name),
      taskQueue: workflowTaskQueue,
      workflowTaskTimeout: workflowTaskTimeoutMs,
      args: [stored.value],
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
    });
    return true;
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    return false;
  }
}

/** The workflow says itself what its document is. */
async function recordWorkflow(
  { client, sessions, trials, proposals }: SetRightDeps,
  finding: Finding,
): Promise<boolean> {
  if (finding.sessionId !== null) {
    const handle = client.workflow.getHandle(sessionWorkflowId(finding.name));
    const document = await handle.query<SessionDocument>(describeSession);
    await putVersioned(sessions, sessionKey(document.organizationId, document.id), document);
    return true;
  }
  if (isId(finding.name, 'proposal')) {
    const handle = client.workflow.getHandle(proposalWorkflowId(finding.name));
    const document = await handle.query<ProposalDocument>(describeProposal);
    await putVersioned(proposals, proposalKey(document.organizationId, document.id), document);
    return true;
  }
  const document = await client.workflow.getHandle(trialWorkflowId(finding.name)).query<TrialDocument>(describeTrial);
  await putVersioned(trials, trialKey(document.organizationId, document.id), document);
  return true;
}

async function removeArtifact({ jsm }: SetRightDeps, { name }: Finding): Promise<boolean> {
  const subject = infoSubject(name);
  const message = await jsm.streams.getMessage(objectStream, { last_by_subj: subject });
  // First the name, so that nobody finds an object without its content.
  await jsm.streams.purge(objectStream, { filter: subject });
  if (message) await jsm.streams.purge(objectStream, { filter: chunkSubject(message.json<ObjectInfo>().nuid) });
  return true;
}

/**
 * Of artifacts that nothing seems to name, those that nobody needs. The sessions that stored them are asked first, then all documents are
 * read once more: what a session has lent it names until the fork's document does, so one of the two is seen. What nobody needs then,
 * nobody will ever. `onFailure`: it cannot be told.
 */
export async function unneededArtifacts<F extends Finding>(
  deps: SetRightDeps,
  findings: readonly F[],
  onFailure: (finding: F, error: Error) => void,
): Promise<Set<string>> {
  const unneeded = new Set<string>();
  for (const finding of findings) {
    if (deps.signal.aborted) return new Set();
    try {
      const deadlineMs = deps.clock() + callTimeoutMs;
      const isWanted = async () => (await isNeeded(deps, finding)) || (await isProposalsOwn(deps, finding));
      if (!(await deps.client.withDeadline(deadlineMs, isWanted))) unneeded.add(finding.name);
    } catch (error) {
      onFailure(finding, error as Error);
    }
  }
  if (unneeded.size === 0) return unneeded;
  const named = [
    ...(await readAllDocuments(deps.sessions, (document: SessionDocument) => document.artifacts ?? [])),
    ...(await readAllDocuments(deps.proposals, (document: ProposalDocument) => document.artifacts ?? [])),
  ];
  for (const name of named.flat()) unneeded.delete(name);
  return unneeded;
}

/** By its document, and while the session's workflow runs by that alone: it may be about to name it. */
async function isNeeded(
  { sessions, client }: SetRightDeps,
  { name, sessionId, organizationId }: Finding,
): Promise<boolean> {
  const key = sessionKey(organizationId as string, sessionId as string);
  const stored = await readDocument<SessionDocument>(sessions, key);
  if (stored?.value.artifacts?.includes(name)) return true;
  if (!stored) return !(await isGone(client, 'session', sessionId as string));
  if (['failed', 'archived'].includes(stored.value.state)) return false;
  const workflow = client.workflow.getHandle(sessionWorkflowId(sessionId as string));
  // In this order: what ends between the two has been named by then.
  const { raw } = await workflow.describe();
  if ((raw.pendingActivities ?? []).some(({ activityType }) => makesArtifacts.has(activityType?.name ?? '')))
    return true;
  const { artifacts } = await workflow.query<SessionDocument>(describeSession);
  return artifacts.includes(name);
}

/** As for sessions: what a proposal is about to name is being prepared. */
async function isProposalsOwn({ client }: SetRightDeps, { name }: Finding): Promise<boolean> {
  const proposalId = /\/proposal-g0-(ppl_[0-9a-z]{26})-/.exec(name)?.[1];
  if (proposalId === undefined || (await isGone(client, 'proposal', proposalId))) return false;
  const workflow = client.workflow.getHandle(proposalWorkflowId(proposalId));
  const { raw } = await workflow.describe();
  if ((raw.pendingActivities ?? []).some(({ activityType }) => activityType?.name === 'prepareCandidate')) return true;
  const { artifacts } = await workflow.query<ProposalDocument>(describeProposal);
  return artifacts.includes(name);
}

const makesArtifacts: ReadonlySet<string> = new Set(['checkpointSandbox', 'hibernateSandbox']);

async function removeOrder({ runnerOrders }: SetRightDeps, runnerId: string): Promise<boolean> {
  const stored = await readDocument<RunnerOrder>(runnerOrders, runnerId);
  if (!stored || stored.value.draining) return false;
  await runnerOrders.delete(runnerId, { previousSeq: stored.revision });
  return true;
}
