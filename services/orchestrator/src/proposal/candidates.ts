// The head of a proposal and its merge with the target, one function for each thing that can happen to them.
//
// 1. A new head voids approvals and the request to merge; the same head put up again keeps them, and is checked again.
// 2. What was checked counts for one candidate only: another one is checked anew.

import type { PreparedCandidate } from '@worktrail/contract/proposal-activities';
import type { ProposeAgain, VersionedPolicy } from '@worktrail/contract/proposal-messages';
import { addEvent, changed, user } from './events.ts';
import { policyOf, type ProposalState } from './state.ts';

const requestsMax = 50;

/** The session's files as they are now are the head from now on. */
export function proposedAgain(state: ProposalState, request: ProposeAgain, now: string): void {
  if (state.final) return;
  state.borrowed.push(request.requestId);
  if (state.requests.includes(request.requestId)) return changed(state, now);
  state.requests = [...state.requests, request.requestId].slice(-requestsMax);
  policyChanged(state, request.policy, now);
  state.title = request.title ?? state.title;
  state.description = request.description ?? state.description;
  state.openedBy = request.by;
  if (!state.openers.includes(request.by.id)) state.openers.push(request.by.id);
  state.merge = null;
  state.refusal = null;
  state.trouble = null;
  state.planned = {
    source: request.source,
    draft: { title: state.title, author: state.spec.author, at: now },
  };
  candidateDropped(state, now);
}

/** The newest policy counts; its checks are run where they are others. */
export function policyChanged(state: ProposalState, { version, policy }: VersionedPolicy, now: string): void {
  if (state.final || version <= state.policy.version) return;
  const before = policyOf(state).requiredChecks;
  state.policy = { version, policy };
  state.approvals = [];
  const isSame =
    before.length === policy.requiredChecks.length &&
    before.every((one, index) => one === policy.requiredChecks[index]);
  if (!isSame && state.candidate) checksPlanned(state);
  changed(state, now);
}

/** What it was about is no more: neither its merge nor what was found of it. */
export function candidateDropped(state: ProposalState, now: string): void {
  state.candidate = null;
  state.blocked = null;
  state.checks = [];
  state.checksLost = 0;
  endChecks(state);
  changed(state, now);
}

function endChecks(state: ProposalState): void {
  if (state.checkSession?.started) state.toEnd.push(state.checkSession.sessionId);
  state.checkSession = null;
  if (state.trouble?.times === 0) state.trouble = null;
}

/** `planned`: what it was made from; another one may be planned by now. */
export function candidatePrepared(
  state: ProposalState,
  planned: ProposalState['planned'],
  prepared: PreparedCandidate,
  now: string,
): void {
  if (state.final || state.planned !== planned || state.candidate || state.blocked) return;
  state.trouble = null;
  const headCommit = prepared.state === 'clean' ? prepared.candidate.headCommit : prepared.headCommit;
  const isFirst = state.head === null;
  if (planned) {
    // Files that no head can be made of leave what was the head before.
    if (headCommit !== null) headMade(state, headCommit, planned.draft);
    state.planned = null;
  }
  if (prepared.state === 'clean') {
    state.candidate = prepared.candidate;
    state.kept = prepared.candidate;
    checksPlanned(state);
  } else {
    const { paths, detail } = prepared;
    const target = prepared.state === 'conflicted' ? prepared.target : null;
    state.blocked = { state: prepared.state, target, paths, detail };
  }
  if (planned && (isFirst || headCommit !== null)) told(state, now);
  else changed(state, now);
}

function headMade(state: ProposalState, commit: string, draft: NonNullable<ProposalState['planned']>['draft']): void {
  if (state.head?.commit === commit) return;
  state.head = { ...draft, commit };
  state.kept = null;
  state.approvals = [];
  state.merge = null;
}

function told(state: ProposalState, now: string): void {
  const value = {
    proposalId: state.spec.proposalId,
    title: state.title,
    baseCommit: state.candidate?.target ?? state.blocked?.target ?? '',
    headCommit: state.head?.commit ?? '',
    candidateTree: state.candidate?.tree ?? '',
  };
  addEvent(state, { case: 'proposalOpened', value }, now, user(state.openedBy.id));
}

/** All that the policy requires, from the first. */
export function checksPlanned(state: ProposalState): void {
  state.checks = policyOf(state).requiredChecks.map((command) => ({
    ...{ command, outcome: null, exitCode: null, commandId: null },
  }));
  state.checksLost = 0;
  endChecks(state);
}

/** For a reason that may pass. */
export function preparationFailed(
  state: ProposalState,
  planned: ProposalState['planned'],
  detail: string,
  now: string,
) {
  if (state.final || state.planned !== planned) return;
  state.trouble = { times: (state.trouble?.times ?? 0) + 1, detail, rested: false };
  changed(state, now);
}
