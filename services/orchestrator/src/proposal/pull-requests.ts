// A proposal that is put up as a pull request: from then on its host decides, and what it says is mirrored here.
//
// 1. A request to merge puts it up once. What was put up is updated by the next request, for a new head.
// 2. It ends as its pull request does: merged, or closed. Asked to end here, it closes the pull request first; one that was merged before
//    counts as merged.
// 3. When it is over, its pull request is closed and its branch gone, unless the host refuses that, or stays away for long.

import type {
  ClosePullRequestResult,
  OpenPullRequestResult,
  ReadPullRequestResult,
  SeenPullRequest,
} from '@worktrail/contract/proposal-activities';
import { candidateDropped } from './candidates.ts';
import { checksOver } from './checks.ts';
import { addEvent, changed } from './events.ts';
import { mergeRefused, pushFailed } from './merging.ts';
import { policyOf, type ProposalState, proposalDocument, type PushedCommit } from './state.ts';

const commitsMax = 50;
const lookMsMin = 2_000;
const lookMsMax = 5 * 60 * 1000;
/** The host's API may be ahead of its git. */
const landedLooksMax = 6;
/** About an hour. */
const leaveAttemptsMax = 20;

/** Called before anything is pushed: what may be there is known from then on. */
export function branchPushBegun(state: ProposalState, headCommit: string): void {
  const { spec } = state;
  const settings = policyOf(state).pullRequest ?? null;
  // The session's own name may be another's on the remote; that of the proposal is nobody else's.
  const branch = `${spec.branch}-${spec.proposalId.slice(-8)}`;
  const leave = { attempts: 0, done: false };
  state.pullRequest ??= {
    ...{ settings, branch, commits: [], seen: null, put: null, looks: 0, waitMs: 0, trouble: null, leave },
  };
  if (!state.pullRequest.seen) state.pullRequest.settings = settings;
  const { commits } = state.pullRequest;
  state.pullRequest.commits = [...commits.filter((one) => one !== headCommit), headCommit].slice(-commitsMax);
}

export function openingAnswered(
  state: ProposalState,
  pushed: PushedCommit,
  result: OpenPullRequestResult,
  now: string,
): void {
  const { pullRequest } = state;
  if (state.final || !pullRequest) return;
  // Otherwise it is to be settled still.
  if (result.state !== 'unknown') state.pushed = null;
  switch (result.state) {
    case 'opened': {
      const { candidate, at } = pushed;
      pullRequest.put = { headCommit: candidate.headCommit, tree: candidate.tree, at };
      pullRequest.looks = 0;
      state.trouble = null;
      return seen(state, result.pullRequest, now);
    }
    case 'moved':
      return candidateDropped(state, now);
    case 'refused':
      return mergeRefused(state, result.detail, now);
    case 'unknown':
      return pushFailed(state, result.detail, now, result.retryAfterMs ?? 0);
    case 'not_pushed':
      return;
  }
}

export function mayLook({ pullRequest, pushed, ending, final }: ProposalState): boolean {
  return pullRequest !== null && pullRequest.seen !== null && pushed === null && ending === null && final === null;
}

/** Before the next look. */
export function lookMs({ looks, waitMs }: NonNullable<ProposalState['pullRequest']>): number {
  return Math.max(waitMs, Math.min(lookMsMin * 2 ** Math.min(looks, 20), lookMsMax));
}

export function looked(state: ProposalState, result: ReadPullRequestResult, now: string): void {
  if (!mayLook(state) || !state.pullRequest) return;
  if (result.state === 'seen') seen(state, result.pullRequest, now);
  else unseen(state, result, now);
}

function unseen(
  state: ProposalState,
  { detail, retryAfterMs }: Extract<ReadPullRequestResult, { state: 'unknown' }>,
  now: string,
): void {
  const { pullRequest } = state;
  if (!pullRequest) return;
  changedIfShown(state, now, () => {
    pullRequest.looks += 1;
    pullRequest.waitMs = retryAfterMs ?? 0;
    pullRequest.trouble = detail;
  });
}

function seen(state: ProposalState, is: SeenPullRequest, now: string): void {
  const { pullRequest, spec } = state;
  if (!pullRequest) return;
  const isNew = pullRequest.seen?.state !== is.state;
  changedIfShown(state, now, () => {
    pullRequest.seen = is;
    pullRequest.looks = isNew ? 0 : pullRequest.looks + 1;
    pullRequest.waitMs = 0;
    pullRequest.trouble = null;
  });
  if (is.state === 'closed') return closedThere(state, is, '', now);
  if (is.state !== 'merged') return;
  if (is.targetBranch !== spec.checkSession.repository.defaultBranch) {
    return closedThere(state, is, `it was merged to ${is.targetBranch}`, now);
  }
  if (is.mergedTree !== null || pullRequest.looks >= landedLooksMax) mergedThere(state, is, now);
}

function mergedThere(state: ProposalState, is: SeenPullRequest, now: string): void {
  over(state, 'merged');
  state.mergeCommit = is.mergeCommit;
  const { url: pullRequestUrl, by: mergedBy, mergedTree, mergeCommit } = is;
  const value = {
    ...{ proposalId: state.spec.proposalId, mergeCommit: mergeCommit ?? '', pullRequestUrl },
    ...(mergedBy !== null && { mergedBy }),
    ...(mergedTree !== null && { mergedTree }),
  };
  addEvent(state, { case: 'proposalMerged', value }, now);
}

function closedThere(state: ProposalState, is: SeenPullRequest, why: string, now: string): void {
  over(state, 'closed');
  const { url: pullRequestUrl, by: closedBy } = is;
  const comment = why || 'its pull request was closed';
  const value = { proposalId: state.spec.proposalId, comment, pullRequestUrl, ...(closedBy !== null && { closedBy }) };
  addEvent(state, { case: 'proposalClosed', value }, now);
}

function over(state: ProposalState, as: 'merged' | 'closed'): void {
  state.final = as;
  if (as === 'closed') state.merge = null;
  state.trouble = null;
  state.refusal = null;
  state.ending = null;
  checksOver(state);
}

/** It is to be closed, or its branch to be taken away. */
export function mustLeave({ pullRequest, pushed, ending, final }: ProposalState): boolean {
  if (pullRequest === null || pullRequest.leave.done || (ending === null && final === null)) return false;
  // What is not known of a pull request is found out as it is closed.
  return pushed === null || pushed.method === 'pull_request';
}

/** Before the next attempt; 0 before the first. */
export function leaveMs({ leave, waitMs }: NonNullable<ProposalState['pullRequest']>): number {
  if (leave.attempts === 0) return 0;
  return Math.max(waitMs, Math.min(lookMsMin * 2 ** leave.attempts, lookMsMax));
}

export function leaveAnswered(state: ProposalState, result: ClosePullRequestResult, now: string): void {
  const { pullRequest } = state;
  if (!pullRequest) return;
  const { leave } = pullRequest;
  if (result.state === 'unknown') {
    leave.attempts += 1;
    leave.done = result.isFinal || leave.attempts >= leaveAttemptsMax;
    if (leave.done) state.pushed = null;
    pullRequest.waitMs = result.retryAfterMs ?? 0;
    return changedIfShown(state, now, () => {
      pullRequest.trouble = result.detail;
    });
  }
  leave.done = true;
  state.pushed = null;
  const is = result.pullRequest;
  if (!is) return;
  changedIfShown(state, now, () => {
    pullRequest.seen = is;
    pullRequest.trouble = null;
  });
  const isHere = is.targetBranch === state.spec.checkSession.repository.defaultBranch;
  if (state.final === null && is.state === 'merged' && isHere) mergedThere(state, is, now);
}

function changedIfShown(state: ProposalState, now: string, change: () => void): void {
  const shown = () => {
    const { pullRequest, detail } = proposalDocument(state);
    return JSON.stringify([pullRequest, detail]);
  };
  const before = shown();
  change();
  if (shown() !== before) changed(state, now);
}
