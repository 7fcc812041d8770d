// Making a session's files as they were at an earlier checkpoint, as steps that each can be repeated.
//
// 1. What is there is checkpointed first, and how it came out becomes a checkpoint too: a revert can be reverted, and no history is cut.
// 2. From its beginning to its end no command of a user starts; one that is accepted meanwhile waits.
// 3. It ends exactly once, as done or as failed. Asked for again after it is done, it is not done again; after it failed, it is.
// 4. Where its sandbox or host is lost meanwhile it goes on from what the session is opened from then.

import type { CheckpointDocument } from '@worktrail/contract/documents';
import type { OpenedSandbox } from '@worktrail/contract/sandbox-activities';
import type { RevertedFiles, RevertSessionRequest } from '@worktrail/contract/session-messages';
import { addSessionEvent, changed } from './events.ts';
import { waitsFor } from './occupations.ts';
import { isOver } from './phases.ts';
import type { AnsweredRevert, CheckpointPlan, SessionState } from './state.ts';

const answeredMax = 16;
const storingFailuresMax = 3;

/** `force`: its live commands have been told to end. Setup commands are no user's: they run before it. */
export function mayBeginRevert(state: SessionState, force: boolean): boolean {
  if (isOver(state) || waitsFor('revert', state).some((one) => one !== 'command')) return false;
  return force || state.commands.every(({ spec }) => spec.origin === 'setup');
}

export function revertBegun(state: SessionState, request: RevertSessionRequest, now: string): void {
  const { reverting } = state;
  const { checkpointId } = request;
  reverting.answered = reverting.answered.filter(({ id }) => id !== checkpointId);
  reverting.plan = { request, stage: 'keeping', checkpointId, made: null, failures: 0 };
  state.lastActiveAt = now;
  changed(state);
}

export function revertIsUnderWay({ reverting: { plan } }: SessionState, id: string): boolean {
  return plan?.request.checkpointId === id;
}

export function answeredRevert({ reverting }: SessionState, id: string): AnsweredRevert | undefined {
  return reverting.answered.find((answer) => answer.id === id);
}

/** For what it needs a checkpoint now; null: for nothing. */
export function duePurposeOfRevert(state: SessionState): CheckpointPlan['purpose'] | null {
  const { plan } = state.reverting;
  if (plan?.stage === 'keeping') return nothingRuns(state) ? 'beforeRevert' : null;
  return plan?.stage === 'storing' ? 'revert' : null;
}

export function filesMayBeReverted(state: SessionState): boolean {
  const { phase, sandboxOpen, archiveRequested, checkpoint, checkpointing, reverting } = state;
  const isOpen = phase === 'ready' && sandboxOpen && !archiveRequested;
  const isDue = reverting.plan?.stage === 'files' && checkpointing.plan === null && checkpoint !== null;
  return isOpen && isDue && nothingRuns(state);
}

function nothingRuns({ commands, changing }: SessionState): boolean {
  const isOver = commands.every(({ state }) => state === 'queued' || state === 'ending');
  return isOver && !changing.asked.some(({ begun }) => begun);
}

/** What was there is stored, or was before. */
export function revertKept({ reverting: { plan } }: SessionState): void {
  if (plan?.stage === 'keeping') plan.stage = 'files';
}

/** `id`: of the revert that was asked for. */
export function filesReverted(state: SessionState, id: string, generation: number, made: RevertedFiles): void {
  const { plan } = state.reverting;
  if (generation !== state.generation || plan?.request.checkpointId !== id || plan.stage !== 'files') return;
  plan.stage = 'storing';
  plan.made = made;
}

export function revertStored(state: SessionState, checkpoint: CheckpointDocument, now: string): void {
  const { plan } = state.reverting;
  if (!plan?.made) return;
  const { request, made } = plan;
  const { to, actor } = request;
  state.lastActiveAt = now;
  const exact = checkpoint.tree === to.tree;
  const numbers = { checkpointNumber: to.number, newCheckpointNumber: checkpoint.number };
  const value = { checkpointId: to.id, newCheckpointId: checkpoint.id, ...numbers, exact, ...made };
  addSessionEvent(state, now, { case: 'sessionReverted', value }, actor);
  answer(state, { id: request.checkpointId, document: { ...made, checkpoint, exact }, failure: null });
}

/** A checkpoint that it needs could not be stored, though its sandbox is there. */
export function revertNotStored(state: SessionState, detail: string, now: string): void {
  const { plan } = state.reverting;
  if (!plan) return;
  plan.failures += 1;
  // What is in the work tree is the caller's still, and whole: nothing was begun.
  if (plan.stage === 'keeping') return revertFailed(state, plan.request.checkpointId, detail, now);
  if (plan.failures < storingFailuresMax) return;
  const how = `the files are as at checkpoint ${plan.request.to.number}, which could not be stored: ${detail}`;
  revertFailed(state, plan.request.checkpointId, how, now);
}

/** The producer of the checkpoint that it was to become is closed. */
export function storingGivenUp({ reverting: { plan } }: SessionState): void {
  if (plan) plan.checkpointId = null;
}

/** The work tree is whole again where it was made anew, and otherwise how it was left. */
export function revertReopened({ reverting: { plan } }: SessionState, from: OpenedSandbox['from']): void {
  if (!plan) return;
  if (from !== 'volume') plan.stage = 'keeping';
  else if (plan.stage === 'storing') plan.stage = 'files';
}

export function revertFailed(state: SessionState, id: string, detail: string, now: string): void {
  const { plan } = state.reverting;
  if (plan?.request.checkpointId !== id) return;
  if (plan.stage !== 'keeping') state.uncheckpointedSince ??= now;
  answer(state, { id, document: null, failure: detail });
}

/** The session is over. */
export function revertGivenUp(state: SessionState, reason: string): void {
  const { plan } = state.reverting;
  if (plan) answer(state, { id: plan.request.checkpointId, document: null, failure: reason });
}

function answer(state: SessionState, answered: AnsweredRevert): void {
  const { reverting } = state;
  reverting.plan = null;
  reverting.answered = [...reverting.answered, answered].slice(-answeredMax);
}
