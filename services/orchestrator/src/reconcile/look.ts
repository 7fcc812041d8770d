// Looks at everything that belongs to no host: documents, running workflows, stored artifacts, orders.
//
// Names of artifacts are read before documents, and documents before workflows: what appears in between has its counterpart already.

import { JetStreamApiError, type JetStreamManager } from '@nats-io/jetstream';
import type { KV } from '@nats-io/kv';
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { ProposalDocument, RunnerOrder, SessionDocument, TrialDocument } from '@worktrail/contract/documents';
import { proposalWorkflow, proposalWorkflowId } from '@worktrail/contract/proposal-messages';
import { sessionWorkflow, sessionWorkflowId } from '@worktrail/contract/session-messages';
import { buckets } from '@worktrail/contract/subjects';
import { trialWorkflow, trialWorkflowId } from '@worktrail/contract/trial-messages';
import { webhookKey, webhookWorkflow, webhookWorkflowId } from '@worktrail/contract/webhooks';
import { readAllDocuments } from '@worktrail/runtime/all-documents';
import { infoSubjects, objectStream } from '@worktrail/runtime/object-store-layout';
import { streamCreatedMs } from '@worktrail/runtime/stream-created';
import type { Found, KnownWebhook } from './judge.ts';

const workflowsMax = 100_000;
const pageSize = 1_000;
const vanishing = [buckets.idempotency, buckets.runners];

export interface LookDeps {
  jsm: JetStreamManager;
  sessions: KV;
  trials: KV;
  proposals: KV;
  runnerOrders: KV;
  configuration: KV;
  client: Client;
}

export async function look(deps: LookDeps): Promise<Found> {
  const { jsm, sessions, trials, proposals, runnerOrders, configuration, client } = deps;
  const artifacts = await artifactNames(jsm);
  const foundSessions = await readAllDocuments(sessions, (one: SessionDocument) => {
    const { id, organizationId, trialId, version, state, generation } = one;
    return { id, organizationId, trialId, version, state, generation, artifacts: one.artifacts ?? [] };
  });
  const foundTrials = await readAllDocuments(trials, ({ id, organizationId, state }: TrialDocument) => {
    return { id, organizationId, state };
  });
  const foundProposals = await readAllDocuments(proposals, (one: ProposalDocument) => {
    const { id, organizationId, state, artifacts: named } = one;
    return { id, organizationId, state, artifacts: named };
  });
  const webhooks = await knownWebhooks(configuration);
  const lasting: string[] = [];
  for (const name of vanishing) if (await isLasting(jsm, name)) lasting.push(name);
  return {
    artifacts,
    sessions: foundSessions,
    trials: foundTrials,
    proposals: foundProposals,
    webhooks,
    running: await runningIds(client),
    orders: await readAllDocuments(runnerOrders, ({ draining }: RunnerOrder, runnerId) => ({ runnerId, draining })),
    runnerIds: await announcedIds(jsm),
    lastingBuckets: lasting,
    sessionsSinceMs: streamCreatedMs((await sessions.status()).streamInfo),
  };
}

/** By their keys alone; of those that do not come this time the next look knows. */
async function knownWebhooks(configuration: KV): Promise<KnownWebhook[]> {
  const found: KnownWebhook[] = [];
  for await (const key of await configuration.keys(webhookKey('*', '*'))) {
    const [, organizationId = '', id = ''] = key.split('.');
    found.push({ id, organizationId });
  }
  return found;
}

async function artifactNames(jsm: JetStreamManager): Promise<string[]> {
  const info = await jsm.streams.info(objectStream, { subjects_filter: `${infoSubjects}.*` }).catch(noStream);
  return Object.keys(info?.state.subjects ?? {}).map((subject) =>
    Buffer.from(subject.slice(infoSubjects.length + 1), 'base64url').toString('utf8'),
  );
}

/** One snapshot: its entries are replaced all the time, and vanish. */
async function announcedIds(jsm: JetStreamManager): Promise<Set<string>> {
  const prefix = `$KV.${buckets.runners}.`;
  const ids = new Set<string>();
  const found = await jsm.direct.getLastMessagesFor(`KV_${buckets.runners}`, { multi_last: [`${prefix}*`] });
  for await (const message of found)
    if (!message.header.has('KV-Operation')) ids.add(message.subject.slice(prefix.length));
  return ids;
}

async function isLasting(jsm: JetStreamManager, bucket: string): Promise<boolean> {
  const info = await jsm.streams.info(`KV_${bucket}`).catch(noStream);
  return info !== undefined && !info.config.max_age;
}

async function runningIds(client: Client): Promise<Set<string>> {
  const running = new Set<string>();
  const query = `ExecutionStatus = 'Running' AND WorkflowType IN ('${sessionWorkflow}', '${trialWorkflow}', '${proposalWorkflow}', '${webhookWorkflow}')`;
  for await (const { workflowId } of client.workflow.list({ query, pageSize })) {
    running.add(workflowId.slice(workflowId.indexOf(':') + 1));
    if (running.size > workflowsMax) throw new Error(`more than ${workflowsMax} workflows run`);
  }
  return running;
}

const workflowIds = {
  session: sessionWorkflowId,
  trial: trialWorkflowId,
  proposal: proposalWorkflowId,
  webhook: webhookWorkflowId,
};

/** Lists of workflows are behind the truth: one alone can be asked for. */
export async function isGone(client: Client, kind: keyof typeof workflowIds, id: string): Promise<boolean> {
  const workflowId = workflowIds[kind](id);
  try {
    const { status } = await client.workflow.getHandle(workflowId).describe();
    return status.name !== 'RUNNING';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return true;
    throw error;
  }
}

function noStream(error: unknown): undefined {
  if (!(error instanceof JetStreamApiError && error.code === 10059)) throw error;
}
