// When a session's files are checkpointed, and what comes of it.
//
// 1. One checkpoint at a time, and no command waits for one.
// 2. After commands have ended: once the session has been quiet for a second, but not later than ten seconds after the first of them.
//    While a command runs, or an agent is at work in the sandbox: every minute. A session that has become ready and has none yet: like after a command.
//    When somebody reads the files what is due is not waited for; while a command runs, not more often than every ten seconds.
// 3. A number is taken by what is stored. One that failed is tried again later; the third failure in a row is in the history.
// 4. What is said of a checkpoint that was given up changes nothing.

import type { BranchPosition } from '@worktrail/contract/documents';
import type { CheckpointInput, CheckpointResult } from '@worktrail/contract/sandbox-activities';
import type { CreateCheckpointRequest } from '@worktrail/contract/session-messages';
import { addProducerGap, addSessionEvent, changedForReaders } from './events.ts';
import { hibernationFailed } from './hibernation.ts';
import { waitsFor } from './occupations.ts';
import { duePurposeOfRevert, revertKept, revertNotStored, revertStored, storingGivenUp } from './reverts.ts';
import type { AskedCheckpoint, CheckpointPlan, SessionState } from './state.ts';
import { agentDecisions } from './turns.ts';

const quietMs = 1_000;
const patienceMs = 10_000;
const runningMs = 60_000;
const failureDelayMs = 30_000;
const failuresToTell = 3;
const bundlesMax = 32;
const askedMax = 4;
const answeredMax = 16;

/** When the next automatic one is due; null while nothing calls for one. */
export function automaticCheckpointAtMs(state: SessionState): number | null {
  if (state.phase !== 'ready' || !state.sandboxOpen || state.archiveRequested || state.checkpointing.plan) return null;
  if (waitsFor('checkpoint', state).length > 0) return null;
  const { lastAt, notBefore, wantedAt } = state.checkpointing;
  const times: number[] = wantedAt ? [Date.parse(wantedAt)] : [];
  if (state.uncheckpointedSince !== null) {
    const since = Date.parse(state.uncheckpointedSince);
    times.push(since + patienceMs);
    if (state.commands.length === 0) times.push(Math.max(since, Date.parse(state.lastActiveAt)) + quietMs);
  }
  const agents = state.turns.live.filter(
    (turn) => turn.agentGeneration !== null && agentDecisions(state, turn) !== null,
  );
  const starts = [...state.commands, ...agents].flatMap(({ startedAt }) =>
    startedAt === null ? [] : [Date.parse(startedAt)],
  );
  if (starts.length > 0)
    times.push(Math.max(Math.min(...starts), lastAt === null ? 0 : Date.parse(lastAt)) + runningMs);
  if (times.length === 0) return null;
  return Math.max(Math.min(...times), notBefore === null ? 0 : Date.parse(notBefore));
}

/** For what a checkpoint is to be made now; null: none is. */
export function duePurpose(state: SessionState, nowMs: number): CheckpointPlan['purpose'] | null {
  if (!state.sandboxOpen || state.checkpointing.plan) return null;
  if (state.archiveRequested) return state.phase === 'ready' && state.uncheckpointedSince !== null ? 'archive' : null;
  if (state.phase !== 'ready' && state.phase !== 'hibernating') return null;
  if (state.phase === 'ready' && state.reverting.plan) return duePurposeOfRevert(state);
  if (state.checkpointing.asked.length > 0) return 'asked';
  if (state.phase === 'hibernating') return state.hibernation.checkpointed ? null : 'hibernation';
  const dueAtMs = automaticCheckpointAtMs(state);
  return dueAtMs !== null && dueAtMs <= nowMs ? 'automatic' : null;
}

/** `newId`: of one that nobody asked for. */
export function checkpointPlanned(
  state: SessionState,
  purpose: CheckpointPlan['purpose'],
  newId: string,
  now: string,
): void {
  const asked = purpose === 'asked' ? state.checkpointing.asked.shift() : undefined;
  const reverting = purpose === 'revert' ? state.reverting.plan : null;
  if (reverting) reverting.checkpointId ??= newId;
  state.checkpointing.plan = {
    id: asked?.checkpointId ?? reverting?.checkpointId ?? newId,
    number: (state.checkpoint?.number ?? 0) + 1,
    label: asked?.label ?? (reverting ? `revert to checkpoint ${reverting.request.to.number}` : ''),
    commandId: reverting ? '' : state.lastEndedCommandId,
    purpose,
    since: state.uncheckpointedSince,
  };
  state.checkpointing.lastAt = now;
  state.checkpointing.wantedAt = null;
  state.uncheckpointedSince = asked?.again ? (state.uncheckpointedSince ?? now) : null;
}

export function checkpointInput(
  state: SessionState,
  plan: CheckpointPlan,
): Omit<CheckpointInput, 'organizationId' | 'projectId' | 'sessionId' | 'partition' | 'generation'> {
  return {
    checkpointId: plan.id,
    number: plan.number,
    label: plan.label,
    commandId: plan.commandId,
    previous: state.checkpoint,
    baseCommit: state.baseCommit ?? '',
    bundles: state.bundles,
    compact: state.bundles.length >= bundlesMax,
    evenIfUnchanged: plan.purpose === 'asked' || plan.purpose === 'revert',
    defaultBranch: state.spec.repository.defaultBranch,
  };
}

/** `compacted`: what was asked for. */
export function checkpointMade(
  state: SessionState,
  id: string,
  result: CheckpointResult,
  compacted: boolean,
  now: string,
): void {
  const { plan } = state.checkpointing;
  if (plan?.id !== id) return;
  const isWanted = plan.purpose === 'asked' || plan.purpose === 'revert';
  if (!result.changed && isWanted) return checkpointFailed(state, id, 'the runner made none', now);
  state.checkpointing.plan = null;
  state.checkpointing.failures = 0;
  state.checkpointing.notBefore = null;
  if (plan.purpose === 'hibernation') state.hibernation.checkpointed = true;
  const { headCommit, headRef } = result.changed ? result.checkpoint : result;
  if (headCommit !== state.headCommit) {
    state.headCommit = headCommit;
    changedForReaders(state);
  }
  notePosition(state, headCommit, result.position);
  if (result.changed) {
    const { checkpoint, bundle } = result;
    const { commit, tree, filesChanged } = checkpoint;
    state.checkpoint = { id, number: plan.number, commit, tree };
    state.changes = checkpoint.fromBase ?? null;
    const kept = { ...bundle, upTo: plan.number };
    state.bundles = compacted ? [kept] : [...state.bundles, kept];
    const { label, commandId, number } = plan;
    const value = {
      ...{ checkpointId: id, number, commit, tree, label, filesChanged },
      leftOut: checkpoint.leftOut ?? [],
    };
    addSessionEvent(state, now, { case: 'checkpointCreated', value }, undefined, commandId);
    const document = { ...state.checkpoint, label, commandId, filesChanged, createdAt: now };
    if (plan.purpose === 'asked') answerAsked(state, { id, document, failure: null });
    if (plan.purpose === 'revert') revertStored(state, document, now);
  }
  if (plan.purpose === 'beforeRevert') revertKept(state);
  noteBranch(state, headRef, headCommit, now);
}

/** It was not stored; what it was for goes on without it, or does not. */
export function checkpointFailed(
  state: SessionState,
  id: string,
  detail: string,
  now: string,
  sandboxGone = false,
): void {
  const { checkpointing } = state;
  const { plan } = checkpointing;
  if (plan?.id !== id) return;
  checkpointing.plan = null;
  checkpointing.wantedAt = null;
  if (plan.purpose === 'archive') {
    addSessionEvent(state, now, { case: 'limitReached', value: { limit: 'checkpoint', detail } });
    return;
  }
  state.uncheckpointedSince = earlier(plan.since, state.uncheckpointedSince);
  if (plan.purpose === 'asked') return answerAsked(state, { id, document: null, failure: detail });
  if (plan.purpose === 'beforeRevert' || plan.purpose === 'revert') {
    // Where the sandbox is gone it is opened again, and the revert goes on.
    return sandboxGone ? undefined : revertNotStored(state, detail, now);
  }
  checkpointing.failures += 1;
  checkpointing.notBefore = new Date(Date.parse(now) + failureDelayMs).toISOString();
  if (checkpointing.failures === failuresToTell) {
    addSessionEvent(state, now, { case: 'limitReached', value: { limit: 'checkpoint', detail } });
  }
  if (plan.purpose === 'hibernation') hibernationFailed(state, detail, now);
}

/** Nobody waits for it any longer: whoever still makes it finds its producer ended. */
export function checkpointGivenUp(state: SessionState, reason: string, now: string): void {
  const { plan } = state.checkpointing;
  if (!plan) return;
  state.checkpointing.plan = null;
  state.uncheckpointedSince = earlier(plan.since, state.uncheckpointedSince);
  addProducerGap(state, plan.id, reason, now);
  if (plan.purpose === 'asked') answerAsked(state, { id: plan.id, document: null, failure: reason });
  if (plan.purpose === 'revert') storingGivenUp(state);
}

/** Asked again, it is the same one; after a failure it is tried again. False when too many are waited for. */
export function checkpointAsked(state: SessionState, request: CreateCheckpointRequest): boolean {
  const { plan, asked, answered } = state.checkpointing;
  const { checkpointId: id } = request;
  if (plan?.id === id || asked.some((other) => other.checkpointId === id)) return true;
  if (answered.some((answer) => answer.id === id && answer.document)) return true;
  if (asked.length >= askedMax) return false;
  state.checkpointing.answered = answered.filter((answer) => answer.id !== id);
  asked.push(answered.some((answer) => answer.id === id) ? { ...request, again: true } : request);
  return true;
}

export function askedCheckpoint(state: SessionState, id: string): AskedCheckpoint | undefined {
  return state.checkpointing.answered.find((answer) => answer.id === id);
}

/** All that wait are told that there will be none. */
export function askedCheckpointsRefused(state: SessionState, failure: string): void {
  for (const { checkpointId } of state.checkpointing.asked.splice(0)) {
    answerAsked(state, { id: checkpointId, document: null, failure });
  }
}

/** Somebody reads the files: what would be made by itself is made now, unless it has just failed. */
export function filesWanted(state: SessionState, now: string): void {
  const { checkpointing, phase, sandboxOpen, archiveRequested } = state;
  if (phase !== 'ready' || !sandboxOpen || archiveRequested) return;
  const { notBefore, lastAt } = checkpointing;
  if (notBefore !== null && notBefore > now) return;
  const runs = state.commands.some(({ startedAt }) => startedAt !== null);
  const isOld = lastAt === null || Date.parse(now) - Date.parse(lastAt) >= patienceMs;
  if (state.uncheckpointedSince !== null || (runs && isOld && !checkpointing.plan)) checkpointing.wantedAt = now;
}

/** Nothing is being made that somebody who reads the files waits for. */
export function areFilesSettled(state: SessionState): boolean {
  const { phase, sandboxOpen, checkpointing, reverting, hibernation } = state;
  if (checkpointing.plan || reverting.plan) return false;
  if (phase === 'hibernating') return hibernation.checkpointed;
  return !checkpointing.wantedAt || phase !== 'ready' || !sandboxOpen;
}

/** Something has ended, or the files were made anew: they may differ from the newest checkpoint. */
export function filesTouched(state: SessionState, now: string): void {
  state.uncheckpointedSince ??= now;
}

function answerAsked(state: SessionState, answer: AskedCheckpoint): void {
  state.checkpointing.answered = [...state.checkpointing.answered, answer].slice(-answeredMax);
}

/** One that could not be counted says nothing; of no commit there is none. */
function notePosition(
  state: SessionState,
  headCommit: string | null,
  position: BranchPosition | null | undefined,
): void {
  const known = state.position;
  if (headCommit === null && known) {
    state.position = null;
    return changedForReaders(state);
  }
  if (!position || (known?.ahead === position.ahead && known.behind === position.behind)) return;
  state.position = position;
  changedForReaders(state);
}

function noteBranch(state: SessionState, headRef: string | null, headCommit: string | null, now: string): void {
  const expectedBranch = state.spec.branch;
  const left = headRef !== `refs/heads/${expectedBranch}`;
  if (left && !state.branchLeft) {
    const actualRef = headRef ?? (headCommit === null ? '' : 'HEAD');
    addSessionEvent(state, now, { case: 'sessionBranchLeft', value: { expectedBranch, actualRef } });
  }
  state.branchLeft = left;
}

function earlier(one: string | null, other: string | null): string | null {
  if (one === null || other === null) return one ?? other;
  return one < other ? one : other;
}
