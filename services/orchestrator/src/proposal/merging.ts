// Bringing a proposal to its target, and ending it.
//
// 1. Nothing is pushed but a candidate whose checks have passed, whose head has the approvals of the policy, and which somebody asked to
//    have merged.
// 2. From the moment a push may begin until it is known what came of it, nothing else is decided about the proposal's end.
// 3. What is known of a push holds: where it has not landed it was fenced off on the remote, so that a host that was stopped in the middle
//    of it and wakes later changes nothing. Where the remote takes no fences it holds as of the moment at which it was asked.

import { mergeFence, type PushResult } from '@worktrail/contract/proposal-activities';
import { candidateDropped } from './candidates.ts';
import { checksOver } from './checks.ts';
import { addEvent, changed, user } from './events.ts';
import { isPutUp, policyOf, type ProposalState, publicState, type PushedCommit } from './state.ts';

export function mayPush(state: ProposalState): boolean {
  return state.merge !== null && state.ending === null && publicState(state) === 'mergeable' && !isPutUp(state);
}

/** Answers what is pushed. */
export function pushBegun(state: ProposalState): PushedCommit | null {
  const { candidate, merge, title, description } = state;
  if (!candidate || !merge || !mayPush(state)) return null;
  state.pushed = {
    ...{ candidate, title, description, method: policyOf(state).mergeMethod, at: merge.at },
    approvedBy: state.approvals.map(({ by: id, name }) => ({ id, name })),
  };
  state.pushes += 1;
  return state.pushed;
}

/** Of the newest push. */
export function fenceOf({ unfenced, spec, pushes }: ProposalState): string | null {
  return unfenced ? null : mergeFence(spec.proposalId, pushes);
}

/** `isSettling`: nothing was pushed this time. */
export function pushAnswered(state: ProposalState, isSettling: boolean, result: PushResult, now: string): void {
  if (state.final) return;
  // Where nothing was sent, it is known as much as before.
  const isAsBefore = result.state === 'unreachable' || result.state === 'unfenced';
  if (!isAsBefore || !isSettling) state.pushed = null;
  switch (result.state) {
    case 'merged':
      return merged(state, result.commit, now);
    case 'moved':
      return candidateDropped(state, now);
    case 'refused':
      return mergeRefused(state, result.detail, now);
    case 'unreachable':
      return pushFailed(state, result.detail, now);
    case 'unfenced':
      state.unfenced = true;
      return;
    case 'not_pushed':
      return;
  }
}

/** It has to be asked for again. */
export function mergeRefused(state: ProposalState, detail: string, now: string): void {
  state.merge = null;
  state.refusal = detail;
  changed(state, now);
}

/** It is tried again. */
export function pushFailed(state: ProposalState, detail: string, now: string, waitMs = 0): void {
  state.trouble = { times: (state.trouble?.times ?? 0) + 1, detail, rested: false, ...(waitMs > 0 && { waitMs }) };
  changed(state, now);
}

function merged(state: ProposalState, commit: string, now: string): void {
  state.final = 'merged';
  state.mergeCommit = commit;
  state.trouble = null;
  state.ending = null;
  checksOver(state);
  const value = { proposalId: state.spec.proposalId, mergeCommit: commit };
  addEvent(state, { case: 'proposalMerged', value }, now, state.merge ? user(state.merge.by.id) : undefined);
}

/** As it was asked for. */
export function ended(state: ProposalState, now: string): void {
  const { ending, spec } = state;
  if (state.final || !ending || state.pushed !== null) return;
  state.final = ending.as;
  state.merge = null;
  checksOver(state);
  const { by, comment } = ending;
  const { proposalId } = spec;
  if (ending.as === 'rejected')
    addEvent(state, { case: 'proposalRejected', value: { proposalId, by: by.id, comment } }, now, user(by.id));
  else addEvent(state, { case: 'proposalClosed', value: { proposalId, comment } }, now, user(by.id));
}
