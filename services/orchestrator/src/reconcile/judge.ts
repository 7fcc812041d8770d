// Decides what of documents, workflows and stored artifacts has no counterpart: a pure function of what is there.
//
// 1. A document of a session, trial or proposal that lives has a running workflow; an attempt of a trial that has not begun needs none yet.
//    So has a webhook; that one is begun again, at once and however many they are, for it has kept where it was.
// 2. An artifact that a document names stays: that of the session that stored it, or of one forked from there. Of a live session's others
//    only its workflow can tell: it is asked before one goes.
// 3. What is true of most is no orphan but a loss: where many documents, and most, have no workflow, nothing of them is changed.
// 4. A bucket that was made anew tells nothing about what is older than it.

import type { ProposalDocument, RunnerOrder, SessionDocument, TrialDocument } from '@worktrail/contract/documents';
import type { WebhookDocument } from '@worktrail/contract/webhooks';
import { createdMsOf, isId } from '@worktrail/contract/ids';
import type { Judged } from '@worktrail/runtime/first-seen';

const dayMs = 24 * 60 * 60_000;
const manyMin = 5;
/** What the schedule removes by itself in the meantime is not worth mentioning. */
const artifactShownMs = 60 * 60_000;

export type KnownSession = Pick<
  SessionDocument,
  'id' | 'organizationId' | 'trialId' | 'version' | 'state' | 'generation' | 'artifacts'
>;
export type KnownTrial = Pick<TrialDocument, 'id' | 'organizationId' | 'state'>;

export type KnownProposal = Pick<ProposalDocument, 'id' | 'organizationId' | 'state' | 'artifacts'>;

export type KnownWebhook = Pick<WebhookDocument, 'id' | 'organizationId'>;

export interface Found {
  sessions: readonly KnownSession[];
  trials: readonly KnownTrial[];
  proposals: readonly KnownProposal[];
  webhooks: readonly KnownWebhook[];
  /** Those of them whose workflow runs, by id. */
  running: ReadonlySet<string>;
  artifacts: readonly string[];
  orders: readonly Pick<RunnerOrder, 'runnerId' | 'draining'>[];
  runnerIds: ReadonlySet<string>;
  /** Buckets whose entries should vanish by themselves, and do not. */
  lastingBuckets: readonly string[];
  sessionsSinceMs: number;
}

const ended: ReadonlySet<string> = new Set(['archived', 'failed']);
const endedProposal: ReadonlySet<string> = new Set(['merged', 'rejected', 'closed']);

/** Documents that ought to have a running workflow and, as far as lists tell, have none. */
export function suspects({ sessions, trials, proposals, webhooks, running }: Found): {
  sessions: KnownSession[];
  trials: KnownTrial[];
  proposals: KnownProposal[];
  webhooks: KnownWebhook[];
} {
  const isExpected = (session: KnownSession) =>
    session.version === 0 && session.trialId !== null && running.has(session.trialId);
  return {
    sessions: sessions.filter((one) => !ended.has(one.state) && !running.has(one.id) && !isExpected(one)),
    trials: trials.filter((one) => one.state === 'running' && !running.has(one.id)),
    proposals: proposals.filter((one) => !endedProposal.has(one.state) && !running.has(one.id)),
    webhooks: webhooks.filter(({ id }) => !running.has(id)),
  };
}

/** `gone`: ids of those whose workflow was asked for, and is closed or not there. */
export function judge(found: Found, gone: ReadonlySet<string>): Judged[] {
  return [
    ...found.webhooks.filter(({ id }) => gone.has(id)).map(judgeWebhook),
    ...judgeDocuments(found, gone),
    ...judgeWorkflows(found),
    ...judgeArtifacts(found),
    ...found.orders.filter(({ runnerId }) => !found.runnerIds.has(runnerId)).map(judgeOrder),
    ...found.lastingBuckets.map((name) => nobodys('bucket', name, 'its entries do not vanish by themselves')),
  ];
}

function judgeDocuments({ sessions, trials, proposals }: Found, gone: ReadonlySet<string>): Judged[] {
  const lost = [
    ...sessions.filter(({ id }) => gone.has(id)).map((one) => ({ kind: 'session', ...one })),
    ...trials.filter(({ id }) => gone.has(id)).map((one) => ({ kind: 'trial', generation: null, ...one })),
    ...proposals.filter(({ id }) => gone.has(id)).map((one) => ({ kind: 'proposal', generation: null, ...one })),
  ];
  const live =
    sessions.filter(({ state }) => !ended.has(state)).length +
    trials.filter(isRunning).length +
    proposals.filter(({ state }) => !endedProposal.has(state)).length;
  const isMost = lost.length >= manyMin && lost.length * 2 > live;
  return lost.map(({ kind, id, organizationId, generation }) => ({
    ...{ kind, name: id, organizationId, generation },
    sessionId: kind === 'session' ? id : null,
    reason: isMost
      ? 'it has no running workflow, like most: Temporal may have lost them'
      : 'it should be live, and has no running workflow',
    action: isMost ? 'report' : 'remove',
  }));
}

function judgeWebhook({ id, organizationId }: KnownWebhook): Judged {
  const webhook = { kind: 'webhook', name: id, organizationId, sessionId: null, generation: null };
  return { ...webhook, reason: 'it has no running workflow', action: 'remove', graceMs: 0 };
}

function judgeWorkflows({ sessions, trials, proposals, running }: Found): Judged[] {
  const known = new Set([...sessions, ...trials, ...proposals].map(({ id }) => id));
  // That of a webhook that is no more ends by itself.
  return [...running]
    .filter((id) => !known.has(id) && !isId(id, 'webhook'))
    .map((id) => {
      const sessionId = isId(id, 'session') ? id : null;
      const workflow = { kind: 'workflow', name: id, organizationId: null, sessionId, generation: null };
      // At once: to the runner of the session it is unknown meanwhile.
      return { ...workflow, reason: 'it runs without a document', action: 'remove', graceMs: 0 };
    });
}

function judgeArtifacts({ sessions, proposals, artifacts, running, sessionsSinceMs }: Found): Judged[] {
  const byKey = new Map(sessions.map((one) => [`${one.organizationId}/${one.id}`, one]));
  const named = new Set([...sessions, ...proposals].flatMap((one) => one.artifacts));
  const organizations = new Set(sessions.map(({ organizationId }) => organizationId));
  return artifacts.flatMap((name): Judged[] => {
    if (named.has(name)) return [];
    const { organizationId, sessionId, generation, isPin } = readArtifactName(name);
    const of = { kind: 'artifact', name, organizationId, sessionId, generation };
    if (isPin) {
      // Sessions that could have begun with the commit are the only ones to need it.
      if (organizations.has(organizationId as string)) return [];
      return [{ ...of, reason: 'kept of a repository, for an organization without a session', action: 'report' }];
    }
    if (sessionId === null) return [{ ...of, reason: 'it names no session', action: 'report' }];
    const session = byKey.get(`${organizationId}/${sessionId}`);
    if (session)
      return [{ ...of, reason: 'its session does not need it', action: 'remove', shownAfterMs: artifactShownMs }];
    if (running.has(sessionId)) return [];
    if (createdMsOf(sessionId) <= sessionsSinceMs)
      return [{ ...of, reason: 'its session is older than all documents of sessions', action: 'report' }];
    return [{ ...of, reason: 'its session is unknown', action: 'remove' }];
  });
}

/** `<organization>/<session>/<kind>-g<generation>-…`, or `<organization>/upstream/<mirror>/<commit>`. */
function readArtifactName(name: string) {
  const [organization = '', second = '', third = ''] = name.split('/');
  const organizationId = isId(organization, 'organization') ? organization : null;
  const sessionId = organizationId !== null && isId(second, 'session') ? second : null;
  const generation = sessionId === null ? null : Number(/^[a-z]+-g(\d{1,9})-/.exec(third)?.[1] ?? Number.NaN);
  return {
    organizationId,
    sessionId,
    generation: Number.isNaN(generation) ? null : generation,
    isPin: organizationId !== null && second === 'upstream',
  };
}

/** An order to drain is worth keeping for a runner that comes back; one that asks for nothing is not. */
function judgeOrder({ runnerId, draining }: Pick<RunnerOrder, 'runnerId' | 'draining'>): Judged {
  const reason = 'its runner has not been seen for a day';
  const order = nobodys('order', runnerId, reason);
  return { ...order, action: draining ? 'report' : 'remove', graceMs: dayMs, shownAfterMs: dayMs };
}

function nobodys(kind: string, name: string, reason: string): Judged {
  return { kind, name, organizationId: null, sessionId: null, generation: null, reason, action: 'report' };
}

function isRunning({ state }: KnownTrial): boolean {
  return state === 'running';
}
