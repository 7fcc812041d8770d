// Forks of a session, and its own beginning as one; and what it lends to forks and proposals.
//
// 1. What a fork or a proposal begins with is named by its session until its own document names it: at no moment does nobody name it, also
//    where the session has put its bundles together meanwhile.
// 2. Asked again for the same forks, the answer is the same, and the history says it once.
// 3. A fork that was never made is forgotten after more than the day in which its request may come again, a proposal after an hour.

import { type ForkPoint, forkPointAt, type SessionFork } from '@worktrail/contract/forks';
import { type ForkSessionRequest, type ProposalSource, sessionWorkflowId } from '@worktrail/contract/session-messages';
import { addSessionEvent, changed, changedForReaders } from './events.ts';
import { waitsFor } from './occupations.ts';
import { isPreparing } from './phases.ts';
import { type Loan, newestForkPoint, type SessionState } from './state.ts';

export const loansMax = 16;
const forkLoanMs = 26 * 60 * 60_000;
/** Longer than a request to put up a proposal can go on. */
const proposalLoanMs = 60 * 60_000;

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

/** Its files are those of its newest checkpoint, and nothing is under way that could be in the middle of changing them. */
function isAtRest({ turns, commands, uncheckpointedSince, checkpointing }: SessionState): boolean {
  return turns.live.length + commands.length === 0 && uncheckpointedSince === null && checkpointing.plan === null;
}

/** Undefined: there is nothing to begin with, or so much is lent already that these have to wait. */
export function lend(state: SessionState, request: ForkSessionRequest, now: string): ForkPoint | undefined {
  const { repository, env, sessionId } = state.spec;
  const { forks } = request;
  const known = loanOf(state, forks);
  if (known) return { repository, env, ...known.point };
  const newest = newestForkPoint(state);
  if (!newest || !mayLend(state, now)) return undefined;
  const point = forkPointAt(newest, request.checkpoint ?? newest.checkpoint);
  if (request.checkpoint === null && request.at !== undefined && isAtRest(state)) point.saidUpTo = request.at;
  addLoan(state, forks, point, Date.parse(now) + forkLoanMs);
  const value = { fromSessionId: sessionId, fromCheckpointId: point.checkpoint.id, sessionIds: forks };
  addSessionEvent(state, now, { case: 'sessionForked', value }, request.by);
  return point;
}

/** The newest checkpoint; undefined as for forks. */
export function lendToProposal(state: SessionState, borrower: string, now: string): ProposalSource | undefined {
  if (!loanOf(state, [borrower])) {
    const newest = newestForkPoint(state);
    if (!newest || !mayLend(state, now)) return undefined;
    addLoan(state, [borrower], newest, Date.parse(now) + proposalLoanMs);
    changed(state);
  }
  return lentTo(state, borrower);
}

export function lentTo(state: SessionState, borrower: string): ProposalSource | undefined {
  const point = loanOf(state, [borrower])?.point;
  return point && { baseCommit: point.baseCommit, checkpoint: point.checkpoint, bundles: point.bundles };
}

function mayLend(state: SessionState, now: string): boolean {
  state.loans = state.loans.filter(({ until }) => Date.parse(until) > Date.parse(now));
  return state.loans.length < loansMax;
}

function addLoan(state: SessionState, borrowers: readonly string[], point: Loan['point'], untilMs: number): void {
  const { repository: _, env: __, ...lent } = point as ForkPoint;
  state.loans.push({
    forks: [...borrowers],
    point: lent,
    until: new Date(untilMs).toISOString(),
  });
}

/** The borrower names itself what it needs. */
export function repaid(state: SessionState, borrower: string): void {
  const loan = loanOf(state, [borrower]);
  if (!loan) return;
  loan.forks = loan.forks.filter((id) => id !== borrower);
  if (loan.forks.length > 0) return changed(state);
  state.loans = state.loans.filter((other) => other !== loan);
  const own = new Set(state.bundles.map(({ name }) => name));
  if (loan.point.bundles.every(({ name }) => own.has(name))) changed(state);
  // What it named for others alone may go.
  else changedForReaders(state);
}

function loanOf(state: SessionState, borrowers: readonly string[]): Loan | undefined {
  return state.loans.find((loan) => borrowers.some((id) => loan.forks.includes(id)));
}
