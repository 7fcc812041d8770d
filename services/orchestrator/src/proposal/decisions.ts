// What people decide about a proposal. Anything after a final state changes nothing.
//
// 1. An approval belongs to one head and one policy. One principal counts once, and the author not at all unless the policy says so.
// 2. A merge is asked for once the policy holds; it stands until a final state, a new head, or a refusal of the remote.
// 3. A rejection or a close waits for a push whose outcome is not known: what has been merged cannot be closed.

import type { ErrorCode } from '@worktrail/contract/errors';
import type { ProposalDecision } from '@worktrail/contract/proposal-messages';
import { addEvent, changed, user } from './events.ts';
import { mayApprove, type ProposalState, policyOf, publicState } from './state.ts';

export interface Refusal {
  code: ErrorCode;
  detail: string;
}

const approvalsMax = 200;

export function refuseDecision(state: ProposalState, { headCommit }: ProposalDecision): Refusal | null {
  if (state.final) return { code: 'conflict', detail: `the proposal is ${state.final}` };
  if (state.ending) return { code: 'conflict', detail: 'the proposal is being closed' };
  if (headCommit === null || headCommit === state.head?.commit) return null;
  return { code: 'conflict', detail: `the head is ${state.head?.commit ?? 'not known yet'}, not ${headCommit}` };
}

export function refuseApproval(state: ProposalState, decision: ProposalDecision): Refusal | null {
  const refused = refuseDecision(state, decision);
  if (refused) return refused;
  if (state.planned || !state.head)
    return { code: 'conflict', detail: 'the head is being made: approve what it will be' };
  if (!mayApprove(state, decision.by.id)) {
    return { code: 'author_may_not_approve', detail: 'the project wants the approval of another than the author' };
  }
  if (state.approvals.length >= approvalsMax) return { code: 'conflict', detail: `it has ${approvalsMax} approvals` };
  return null;
}

export function approved(state: ProposalState, { by, comment }: ProposalDecision, now: string): void {
  const { head, spec } = state;
  if (state.final || !head || state.approvals.some((approval) => approval.by === by.id)) return;
  state.approvals.push({ by: by.id, name: by.name, at: now, headCommit: head.commit, comment });
  const value = { proposalId: spec.proposalId, by: by.id, headCommit: head.commit, comment };
  addEvent(state, { case: 'proposalApproved', value }, now, user(by.id));
}

export function refuseMerge(state: ProposalState, decision: ProposalDecision): Refusal | null {
  const refused = refuseDecision(state, decision);
  if (refused || state.merge) return refused;
  const is = publicState(state);
  if (is === 'mergeable') return null;
  const why: Partial<Record<typeof is, string>> = {
    awaiting_approval: `it has ${state.approvals.length} of ${policyOf(state).requiredApprovals} approvals`,
    conflicted: state.blocked?.detail ?? 'it conflicts with the target',
    checks_failed: 'a required check has failed',
    checking: 'its checks are not done',
  };
  return { code: 'conflict', detail: `the proposal is ${is}: ${why[is] ?? 'it cannot be merged'}` };
}

export function mergeAsked(state: ProposalState, { by }: ProposalDecision, now: string): void {
  if (state.final || state.merge) return;
  state.merge = { by, at: now };
  state.refusal = null;
  state.trouble = null;
  changed(state, now);
}

/** Once nothing of it is under way that could still merge it. */
export function endingAsked(
  state: ProposalState,
  as: 'rejected' | 'closed',
  { by, comment }: ProposalDecision,
  now: string,
): void {
  if (state.final || state.ending) return;
  state.ending = { as, by, comment };
  changed(state, now);
}
