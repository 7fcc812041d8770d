// Forks of a session, and its own beginning as one.
//
// 1. What a fork begins with is named by its parent until the fork's own document names it: at no moment does nobody name it, also where
//    the parent has put its bundles together meanwhile.
// 2. Asked again for the same forks, the answer is the same, and the history says it once.
// 3. A fork that was never made is forgotten after more than the day in which its request may come again.

import { type ForkPoint, forkPointAt, type SessionFork } from '@worktrail/contract/forks';
import { type ForkSessionRequest, sessionWorkflowId } from '@worktrail/contract/session-messages';
import { addSessionEvent, changed, changedForReaders } from './events.ts';
import { waitsFor } from './occupations.ts';
import { isPreparing } from './phases.ts';
import { type Loan, newestForkPoint, type SessionState } from './state.ts';

export const loansMax = 16;
const loanMs = 26 * 60 * 60_000;

/** The history of a fork begins with this, after what it has inherited. */
export function forked(state: SessionState, { sessionId, restore }: SessionFork, now: string): void {
  const { spec } = state;
  const value = { fromSessionId: sessionId, fromCheckpointId: restore.checkpoint.id, sessionIds: [spec.sessionId] };
  addSessionEvent(state, now, { case: 'sessionForked', value }, spec.createdBy);
  addSessionEvent(state, now, { case: 'sessionHibernated', value: { reason: 'forked', keptIn: 'checkpoint' } });
}

/** Of a fork, files of an ancestor are on that one's branch: the nearest ancestor's first. */
export function branchesOf({ spec: { branch, fork } }: SessionState): { branch: string; branchesBefore?: string[] } {
  return { branch, ...(fork && { branchesBefore: fork.inherited.map((one) => one.branch).toReversed() }) };
}

/** Its document is there for the first time: what it names needs nobody else any more. */
export function forkIsRecorded({ spec, reports }: SessionState): void {
  if (spec.fork) reports.push({ about: 'fork', to: sessionWorkflowId(spec.fork.sessionId) });
}

/** A checkpoint is to come soon that has what ended last. */
export function isNewestDue(state: SessionState): boolean {
  if (waitsFor('fork', state).length > 0) return true;
  if (state.checkpoint === null) return isPreparing(state) || state.phase === 'ready';
  if (state.phase !== 'ready' || state.commands.length > 0) return false;
  return state.checkpointing.plan !== null || state.uncheckpointedSince !== null;
}

/** Why there is nothing to begin with; null where there is. */
export function forkRefusal(state: SessionState, { checkpoint }: ForkSessionRequest): string | null {
  if (state.checkpoint === null) return 'the session has no checkpoint yet';
  if (checkpoint !== null && checkpoint.number > state.checkpoint.number) return 'it has no such checkpoint';
  return null;
}

/** Undefined: there is nothing to begin with, or so many forks are waited for already that these have to wait. */
export function lend(state: SessionState, request: ForkSessionRequest, now: string): ForkPoint | undefined {
  const { repository, env, sessionId } = state.spec;
  const known = loanOf(state, request.forks);
  if (known) return { repository, env, ...known.point };
  state.loans = state.loans.filter(({ at }) => Date.parse(at) + loanMs > Date.parse(now));
  const newest = newestForkPoint(state);
  if (!newest || state.loans.length >= loansMax) return undefined;
  const point = forkPointAt(newest, request.checkpoint ?? newest.checkpoint);
  const { baseCommit, checkpoint, headCommit, bundles } = point;
  state.loans.push({ forks: [...request.forks], point: { baseCommit, checkpoint, headCommit, bundles }, at: now });
  const value = { fromSessionId: sessionId, fromCheckpointId: checkpoint.id, sessionIds: request.forks };
  addSessionEvent(state, now, { case: 'sessionForked', value }, request.by);
  return point;
}

/** A fork names itself what it needs. */
export function repaid(state: SessionState, sessionId: string): void {
  const loan = loanOf(state, [sessionId]);
  if (!loan) return;
  loan.forks = loan.forks.filter((id) => id !== sessionId);
  if (loan.forks.length > 0) return changed(state);
  state.loans = state.loans.filter((other) => other !== loan);
  const own = new Set(state.bundles.map(({ name }) => name));
  if (loan.point.bundles.every(({ name }) => own.has(name))) changed(state);
  // What it named for others alone may go.
  else changedForReaders(state);
}

function loanOf(state: SessionState, forks: readonly string[]): Loan | undefined {
  return state.loans.find((loan) => forks.some((id) => loan.forks.includes(id)));
}
