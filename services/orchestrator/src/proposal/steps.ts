// What a proposal does to others: its git is done by runners, its checks by sessions that it starts, and it is recorded.

import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  ActivityCancellationType,
  getExternalWorkflowHandle,
  isCancellation,
  log,
  ParentClosePolicy,
  proxyActivities,
  sleep,
  startChild,
  workflowInfo,
} from '@temporalio/workflow';
import {
  type ProposalActivities,
  type ProposalRef,
  proposalTaskQueue,
  type UnknownPullRequest,
} from '@worktrail/contract/proposal-activities';
import * as messages from '@worktrail/contract/session-messages';
import { failureMessage, wasNotTakenUp } from '../activity-failure.ts';
import type { Background } from '../background.ts';
import type { RecordActivities } from '../record-activities.ts';
import { recordOptions } from '../record-options.ts';
import type { session } from '../session/workflow.ts';
import { newWorkflowId, now } from '../workflow-clock.ts';
import { candidatePrepared, policyChanged, preparationFailed } from './candidates.ts';
import * as checks from './checks.ts';
import { orchestrator } from './events.ts';
import { fenceOf, mergeRefused, pushAnswered, pushBegun, pushFailed } from './merging.ts';
import type { ProposalUnderway } from './next-step.ts';
import { branchPushBegun, leaveAnswered, leaveMs, looked, lookMs, openingAnswered } from './pull-requests.ts';
import { type ProposalState, proposalDocument, type PushedCommit } from './state.ts';

export interface ProposalRun {
  readonly state: ProposalState;
  readonly background: Background;
}

const silenceMsMin = 10 * 60 * 1000;
const silenceMsMax = 6 * 60 * 60 * 1000;
const retryMsMin = 2_000;
const retryMsMax = 5 * 60 * 1000;
const detailLengthMax = 1_000;

const { recordProposal, readApprovalPolicy } = proxyActivities<RecordActivities>(recordOptions);

const { prepareCandidate } = proxyActivities<ProposalActivities>({
  taskQueue: proposalTaskQueue,
  startToCloseTimeout: '30 minutes',
  heartbeatTimeout: '10 seconds',
  retry: { initialInterval: '500 milliseconds', backoffCoefficient: 2, maximumAttempts: 3 },
  cancellationType: ActivityCancellationType.TRY_CANCEL,
});

const { pushCandidate, openPullRequest, readPullRequest, closePullRequest } = proxyActivities<ProposalActivities>({
  taskQueue: proposalTaskQueue,
  startToCloseTimeout: '10 minutes',
  scheduleToStartTimeout: '1 minute',
  heartbeatTimeout: '10 seconds',
  // Whether it may be tried again is decided between two attempts.
  retry: { maximumAttempts: 1 },
});

export function underwayIn({ background }: ProposalRun): ProposalUnderway {
  return {
    preparing: background.has('prepare'),
    talking: background.has('talk'),
    listening: background.has('listen'),
    pushing: background.has('push'),
    looking: background.has('look'),
    leaving: background.has('leave'),
    resting: background.has('rest'),
    ending: background.has('end'),
    recording: background.has('record'),
  };
}

export function prepare({ state, background }: ProposalRun): void {
  const { planned, head, spec } = state;
  const { kept } = state;
  background.begin('prepare', async () => {
    try {
      const from = planned
        ? { kind: 'session' as const, ...planned.source }
        : kept && { kind: 'candidate' as const, candidate: kept };
      if (!from) throw new Error('there is nothing to merge from');
      const draft = planned?.draft ?? head ?? { title: state.title, author: spec.author, at: spec.createdAt };
      const { repository, branch } = spec.checkSession;
      const input = {
        ...{ ...ref(state), repository, branch, from, before: head },
        head: { title: draft.title, author: draft.author, at: draft.at },
        checkpointId: newWorkflowId('checkpoint'),
        at: now(),
      };
      candidatePrepared(state, planned, await prepareCandidate(input), now());
    } catch (error) {
      if (isCancellation(error)) return;
      preparationFailed(state, planned, failureMessage(error).slice(0, detailLengthMax), now());
    }
  });
}

/** Before what has failed is tried again, each time twice as long. */
export function rest({ state, background }: ProposalRun): void {
  const { trouble } = state;
  if (!trouble) return;
  background.begin('rest', async () => {
    const retryMs = Math.min(retryMsMin * 2 ** Math.min(trouble.times - 1, 10), retryMsMax);
    await sleep(Math.max(retryMs, trouble.waitMs ?? 0));
    trouble.rested = true;
  });
}

/** The session outlives the proposal. */
export function startCheckSession({ state, background }: ProposalRun): void {
  const { checkSession, candidate, spec } = state;
  if (!checkSession || !candidate) return;
  const { sessionId } = checkSession;
  const { target: baseCommit, checkpoint, bundle } = candidate;
  const started: messages.SessionSpec = {
    ...spec.checkSession,
    sessionId,
    title: `Checks of ${state.title}`.slice(0, 200),
    startFrom: { baseCommit, checkpoint, bundles: [{ ...bundle, upTo: checkpoint.number }], archive: null },
    createdAt: now(),
  };
  background.begin('talk', async () => {
    try {
      const child = await startChild<typeof session>(messages.sessionWorkflow, {
        workflowId: messages.sessionWorkflowId(sessionId),
        args: [started],
        taskQueue: messages.workflowTaskQueue,
        workflowTaskTimeout: messages.workflowTaskTimeoutMs,
        parentClosePolicy: ParentClosePolicy.ABANDON,
      });
      checks.checkSessionStarted(state, sessionId);
      const gone = () => checks.checkSessionGone(state, sessionId, 'the session of the checks is gone', now());
      void child.result().then(gone, gone);
    } catch (error) {
      if (error instanceof WorkflowExecutionAlreadyStartedError) return checks.checkSessionStarted(state, sessionId);
      checks.checkSessionGone(state, sessionId, `the session could not be started: ${String(error)}`, now());
    }
  });
}

export function sendCheck({ state, background }: ProposalRun): void {
  const { checkSession } = state;
  const current = checkSession?.current;
  const check = current && state.checks[current.index];
  if (!checkSession || !current || !check) return;
  const request: messages.RunTrialCommand = {
    trialWorkflowId: workflowInfo().workflowId,
    command: {
      id: current.commandId,
      command: check.command,
      cwd: '',
      env: {},
      timeoutSeconds: null,
      stdin: '',
      background: false,
      origin: 'verify',
      actor: orchestrator,
      queuedAt: current.queuedAt,
    },
  };
  background.begin('talk', async () => {
    if (await signal(checkSession.sessionId, messages.runTrialCommand, request)) {
      checks.checkSent(state, current.commandId);
    } else checks.checkSessionGone(state, checkSession.sessionId, 'the session of the checks is gone', now());
  });
}

/** A report is not lost, but a session may be: after a long silence the check is sent again, each time after twice as long. */
export function listen({ state, background }: ProposalRun): void {
  const current = state.checkSession?.current;
  if (!current) return;
  background.begin('listen', async () => {
    await sleep(Math.min(silenceMsMin * 2 ** Math.min(current.asks, 10), silenceMsMax));
    checks.checkSilent(state, current.commandId);
  });
}

export function endSession({ state, background }: ProposalRun, sessionId: string): void {
  background.begin('end', async () => {
    await signal(sessionId, messages.endSession, undefined);
    checks.sessionEnded(state, sessionId);
  });
}

/** The policy is read once more: a change that nobody told of counts too. */
export function push({ state, background }: ProposalRun): void {
  const { organizationId, projectId } = state.spec;
  background.begin('push', async () => {
    const newest = await readApprovalPolicy({ organizationId, projectId });
    if (!newest) return mergeRefused(state, 'the project does not exist any more', now());
    policyChanged(state, newest, now());
    const pushed = pushBegun(state);
    if (pushed) await tellPush(state, pushed, false);
  });
}

/** What came of a push is asked of the target. */
export function settle({ state, background }: ProposalRun): void {
  const { pushed } = state;
  if (pushed) background.begin('push', () => tellPush(state, pushed, true));
}

async function tellPush(state: ProposalState, pushed: PushedCommit, settleOnly: boolean): Promise<void> {
  const { method } = pushed;
  if (method === 'pull_request') return tellOpening(state, pushed, settleOnly);
  const { checkSession, author } = state.spec;
  const input = {
    ...ref(state),
    ...pushed,
    method,
    repository: checkSession.repository,
    author,
    fence: fenceOf(state),
    settleOnly,
  };
  try {
    pushAnswered(state, settleOnly, await pushCandidate(input), now());
  } catch (error) {
    if (wasNotTakenUp(error)) {
      const detail = 'no runner has taken it up';
      return pushAnswered(state, settleOnly, { state: 'unreachable', detail }, now());
    }
    log.warn('it is not known what came of a push; it is looked up', { reason: failureMessage(error) });
    pushFailed(state, failureMessage(error).slice(0, detailLengthMax), now());
  }
}

async function tellOpening(state: ProposalState, pushed: PushedCommit, settleOnly: boolean): Promise<void> {
  const { candidate, title, description, approvedBy } = pushed;
  branchPushBegun(state, candidate.headCommit);
  const of = pullRequestOf(state);
  if (!of) return;
  try {
    const input = { ...of, candidate, title, description, approvedBy, settleOnly };
    openingAnswered(state, pushed, await openPullRequest(input), now());
  } catch (error) {
    log.warn('it is not known whether a pull request was opened; it is looked up', { reason: failureMessage(error) });
    pushFailed(state, failureMessage(error).slice(0, detailLengthMax), now());
  }
}

function pullRequestOf(state: ProposalState) {
  const { pullRequest, spec } = state;
  if (!pullRequest) return undefined;
  const { settings, branch, commits, seen } = pullRequest;
  return {
    ...ref(state),
    repository: spec.checkSession.repository,
    settings,
    branch,
    commits,
    number: seen?.number ?? null,
  };
}

/** From time to time, less often the longer nothing changes. */
export function look({ state, background }: ProposalRun): void {
  const { pullRequest } = state;
  const of = pullRequestOf(state);
  if (!pullRequest || !of || of.number === null) return;
  const { branch: _branch, commits: _commits, number, ...known } = of;
  background.begin('look', async () => {
    await sleep(lookMs(pullRequest));
    looked(state, await unlessFailed(readPullRequest({ ...known, number })), now());
  });
}

export function lookAtOnce({ state, background }: ProposalRun): void {
  if (state.pullRequest) Object.assign(state.pullRequest, { looks: 0, waitMs: 0 });
  background.abandon('look');
}

/** Whatever was being looked at is of no use any more. */
export function leave({ state, background }: ProposalRun): void {
  const { pullRequest } = state;
  const of = pullRequestOf(state);
  if (!pullRequest || !of) return;
  background.abandon('look');
  background.begin('leave', async () => {
    const waitMs = leaveMs(pullRequest);
    if (waitMs > 0) await sleep(waitMs);
    leaveAnswered(state, await unlessFailed(closePullRequest(of)), now());
  });
}

async function unlessFailed<T>(asked: Promise<T>): Promise<T | UnknownPullRequest> {
  try {
    return await asked;
  } catch (error) {
    if (isCancellation(error)) throw error;
    const detail = failureMessage(error).slice(0, detailLengthMax);
    return { state: 'unknown', detail, retryAfterMs: null, isFinal: false };
  }
}

export function record({ state, background }: ProposalRun): void {
  const { organizationId, projectId, sessionId, partition, generation } = state.spec;
  background.begin('record', async () => {
    const events = [...state.events];
    const borrowed = [...state.borrowed];
    const document = proposalDocument(state);
    await recordProposal({ ref: { organizationId, projectId, sessionId, partition, generation }, events, document });
    state.events = state.events.slice(events.length);
    state.recordedVersion = document.version;
    for (const borrower of borrowed) await signal(sessionId, messages.loanRepaid, { borrower });
    state.borrowed = state.borrowed.slice(borrowed.length);
  });
}

function ref({ spec }: ProposalState): ProposalRef {
  const { organizationId, projectId, sessionId, proposalId } = spec;
  return { organizationId, projectId, sessionId, proposalId };
}

/** False when the session's workflow is not there. */
async function signal(sessionId: string, name: string, request: unknown): Promise<boolean> {
  try {
    await getExternalWorkflowHandle(messages.sessionWorkflowId(sessionId)).signal(name, request);
    return true;
  } catch {
    return false;
  }
}
