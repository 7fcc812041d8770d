// Updates that wait: for what they begin to be recorded, or to end.
//
// 1. Of those that last few wait at a time, so that commands can be accepted meanwhile.
// 2. What was begun goes on, whether or not somebody waits: asked for again by its id it is the same.

import { condition } from '@temporalio/workflow';
import type { CheckpointDocument, SessionDocument } from '@worktrail/contract/documents';
import type { ForkPoint } from '@worktrail/contract/forks';
import type * as messages from '@worktrail/contract/session-messages';
import { areFilesSettled, askedCheckpoint, checkpointAsked, checkpointGivenUp, filesWanted } from './checkpoints.ts';
import { hibernationBegun, mayHibernate } from './hibernation.ts';
import { answeredFileChange, fileChangeAsked } from './file-changes.ts';
import { forkRefusal, isNewestDue, lend, lendToProposal, lentTo } from './forks.ts';
import { archiveRequested, isAsSeen, mainBroughtIn, patched, resumed, updateAnswered } from './life.ts';
import { waitsFor } from './occupations.ts';
import { isOver, isPreparing } from './phases.ts';
import { answeredRevert, mayBeginRevert, revertBegun, revertIsUnderWay } from './reverts.ts';
import { newWorkflowId, now } from '../workflow-clock.ts';
import type { SessionRun } from './run.ts';
import { updateSandbox } from './steps/update.ts';
import { sessionDocument, type SessionState } from './state.ts';
import { describeBusy, refuse, refuseArchived, refuseOver } from './refusals.ts';
import { cancelUsersCommands, stopCommand, stopTurn } from './stopping.ts';

/** How long it is waited for commands that have just ended to be reported: shorter than a caller waits for the answer. */
const endingPatience = '5 seconds';
/** How long an update from the default branch waits for each of its checkpoints. */
const keepingPatience = '10 minutes';
/** Shorter than a caller waits for an update that takes long. */
const settlingPatienceMs = 25_000;
/** How long readers and forks wait for commands that have just ended to be reported. */
const reportPatience = '2 seconds';
/** How long an update waits for a session that sleeps. */
const wakingPatience = '20 seconds';
/** How long a fork waits for a checkpoint that is to come soon. */
const newestPatience = '5 seconds';
const firstPatience = '15 seconds';
/** So that, of the ten updates that may be under way in a workflow, some are left for commands. */
const waitingMax = 4;

export async function whileWaiting<T>(run: SessionRun, wait: () => Promise<T>): Promise<T> {
  if (run.waiting >= waitingMax) throw refuse('rate_limited', `${waitingMax} others wait for this session already`);
  run.waiting += 1;
  try {
    return await wait();
  } finally {
    run.waiting -= 1;
  }
}

export async function patchAndRecord(
  state: SessionState,
  request: messages.PatchSessionRequest,
): Promise<SessionDocument> {
  if (!isAsSeen(state, request)) throw refuse('precondition_failed', 'the session was changed at the same time');
  patched(state, request);
  const { version } = state;
  await condition(() => state.recordedVersion >= version);
  return sessionDocument(state);
}

export async function archiveAndRecord(run: SessionRun): Promise<SessionDocument> {
  const { state } = run;
  await condition(() => waitsFor('archive', state).length === 0, endingPatience);
  // A revert is given up: what was there before it is stored.
  const isBusy = waitsFor('archive', state).some((one) => one !== 'revert');
  if (isBusy && !state.archiveRequested) throw refuse('session_busy', describeBusy(state));
  if (!state.archiveRequested) archiveRequested(state);
  if (isPreparing(state) || state.phase === 'hibernating') run.background.interrupt('sandbox');
  run.background.interrupt('reverting');
  run.background.interrupt('changing');
  const isFree = () => [undefined, 'archive'].includes(state.checkpointing.plan?.purpose);
  if (!isFree() && !(await condition(isFree, endingPatience))) {
    checkpointGivenUp(state, 'archived', now());
    run.background.abandon('checkpoint');
  }
  await condition(() => state.phase === 'archived' && state.recordedVersion >= state.dueVersion);
  return sessionDocument(state);
}

export async function hibernateAndRecord(
  run: SessionRun,
  { reason }: messages.HibernateSessionRequest,
): Promise<SessionDocument> {
  const { state } = run;
  const isAsleep = () => state.phase === 'hibernated';
  await condition(
    () => isAsleep() || state.phase === 'hibernating' || mayHibernate(state) || isOver(state),
    endingPatience,
  );
  refuseOver(state);
  if (mayHibernate(state)) hibernationBegun(state, reason, now());
  if (state.phase === 'hibernating') {
    const { number } = state.hibernation;
    await condition(() => state.phase !== 'hibernating');
    const { failure } = state.hibernation;
    if (failure?.number === number) throw refuse('checkpoint_failed', failure.detail);
    refuseOver(state);
  } else if (!isAsleep()) {
    throw refuse('session_busy', describeBusy(state));
  }
  return await recordedDocument(state);
}

/** A session that is being put to sleep comes back afterwards. */
export function resumeAndDescribe(state: SessionState): SessionDocument {
  if (state.phase === 'hibernated') resumed(state, 'requested', now());
  else if (state.phase === 'hibernating') state.hibernation.resumeWanted = true;
  return sessionDocument(state);
}

/** What was begun goes on, whether or not somebody waits: asked for again by its id it is the same, and answered when it is done. */
async function answered({ answerPatienceMs }: SessionRun, isSo: () => boolean, what: string): Promise<void> {
  if (await condition(isSo, answerPatienceMs)) return;
  throw refuse('still_running', `${what}, which goes on: ask again with the same Idempotency-Key for how it ends`);
}

export function askForCheckpoint(
  run: SessionRun,
  request: messages.CreateCheckpointRequest,
): Promise<CheckpointDocument> {
  return checkpointAndRecord(run.state, request, (isSo) => answered(run, isSo, 'the files are being stored'));
}

async function checkpointAndRecord(
  state: SessionState,
  request: messages.CreateCheckpointRequest,
  wait: (isSo: () => boolean) => Promise<unknown>,
): Promise<CheckpointDocument> {
  const { checkpointId } = request;
  if (!checkpointAsked(state, request)) throw refuse('rate_limited', 'many checkpoints are waited for already');
  await wait(() => askedCheckpoint(state, checkpointId) !== undefined);
  const answer = askedCheckpoint(state, checkpointId);
  if (!answer?.document) {
    throw refuse('checkpoint_failed', answer?.failure ?? 'the session was not ready for it in time');
  }
  await recordedDocument(state);
  return answer.document;
}

export async function revertAndRecord(
  run: SessionRun,
  request: messages.RevertSessionRequest,
): Promise<messages.RevertDocument> {
  const { state } = run;
  const { checkpointId, force } = request;
  const isKnown = () => revertIsUnderWay(state, checkpointId) || answeredRevert(state, checkpointId)?.document != null;
  if (!isKnown()) {
    if (force) cancelUsersCommands(run);
    await condition(() => isKnown() || mayBeginRevert(state, force) || isOver(state), endingPatience);
    refuseOver(state);
    if (!isKnown() && !mayBeginRevert(state, force)) throw refuse('session_busy', describeBusy(state));
    if (!isKnown()) revertBegun(state, request, now());
  }
  await answered(run, () => !revertIsUnderWay(state, checkpointId), 'the files are being reverted');
  const answer = answeredRevert(state, checkpointId);
  if (!answer?.document) throw refuse('checkpoint_failed', answer?.failure ?? 'it was reverted too long ago');
  await recordedDocument(state);
  return answer.document;
}

export async function changeFileAndRecord(
  run: SessionRun,
  request: messages.ChangeFileRequest,
): Promise<messages.ChangedFile> {
  const { state } = run;
  const { changeId } = request;
  if (!fileChangeAsked(state, request, now()))
    throw refuse('rate_limited', 'many changes of files are waited for already');
  await answered(run, () => answeredFileChange(state, changeId) !== undefined, 'the file is being changed');
  const answer = answeredFileChange(state, changeId);
  if (!answer?.file) throw refuse(answer?.refusal?.code ?? 'internal', answer?.refusal?.detail ?? '');
  await recordedDocument(state);
  return answer.file;
}

export async function settleFiles(state: SessionState): Promise<messages.SettledFiles> {
  // A command's end is told to whoever follows it before its session hears of it.
  const hasEnded = () => state.uncheckpointedSince !== null || !state.commands.some(({ startedAt }) => startedAt);
  await condition(hasEnded, reportPatience);
  const untilMs = Date.now() + settlingPatienceMs;
  let isSettled = false;
  // What has ended while one was made may be in it or not: another one finds nothing new, or has it.
  for (let round = 0; round < 3 && (round === 0 || (isSettled && state.uncheckpointedSince !== null)); round += 1) {
    filesWanted(state, now());
    isSettled = await condition(() => areFilesSettled(state), Math.max(1, untilMs - Date.now()));
  }
  const isBeingMade = state.checkpointing.plan !== null || state.reverting.plan !== null || state.updating !== null;
  const upToDate = state.uncheckpointedSince === null && state.commands.length === 0 && !isBeingMade;
  return { document: sessionDocument(state), upToDate };
}

/** A session that sleeps is woken only where its newest checkpoint is not all of its files. */
export async function captureFiles(
  run: SessionRun,
  request: messages.CaptureFilesRequest,
): Promise<messages.CapturedFiles> {
  const { state } = run;
  const { createdBy } = state.spec;
  const known = lentTo(state, request.borrower);
  if (known) return { source: known, createdBy };
  const isQuiet = () => {
    const isUntouched = waitsFor('proposal', state).length === 0;
    return isUntouched && (state.phase === 'ready' || state.phase === 'hibernated');
  };
  await condition(() => isQuiet() || isOver(state), endingPatience);
  refuseOver(state);
  if (!isQuiet()) throw refuse('session_busy', describeBusy(state));
  const isStored = state.phase === 'hibernated' && state.checkpoint !== null && state.uncheckpointedSince === null;
  if (!isStored) await askForCheckpoint(run, request);
  if (state.checkpoint === null) throw refuse('checkpoint_failed', 'the session has no checkpoint');
  const source = lendToProposal(state, request.borrower, now());
  if (!source) throw refuse('rate_limited', 'many forks and proposals of this session are being made already');
  return { source, createdBy };
}

/** What it was started for is over. */
export async function endWhenIdle(run: SessionRun): Promise<void> {
  const { state } = run;
  for (const { spec } of [...state.turns.live]) stopTurn(run, spec.id, 'session_ended');
  for (const { spec } of [...state.commands]) stopCommand(run, { commandId: spec.id, reason: 'session_ended' });
  await condition(() => waitsFor('archive', state).length === 0);
  if (!state.archiveRequested) archiveRequested(state);
  if (isPreparing(state)) run.background.interrupt('sandbox');
}

/**
 * Nothing of it has to survive the run: none ends while an update is answered. Who asks again while it is under way gets its answer, and
 * when it has failed, tries again.
 */
export async function updateAndRecord(
  run: SessionRun,
  request: messages.UpdateSessionRequest,
): Promise<messages.UpdateDocument> {
  const { state } = run;
  const { updateId } = request;
  const isUnderWay = () => state.updating !== null && state.updating.id === updateId;
  if (isUnderWay()) await answered(run, () => !isUnderWay(), 'the default branch is being brought in');
  const done = state.updated.find(({ id }) => id === updateId);
  if (done) return { ...done.files, document: await recordedDocument(state) };
  const isAwake = state.phase === 'ready';
  if (!isAwake) resumeAndDescribe(state);
  await condition(() => mayHibernate(state) || isOver(state), isAwake ? endingPatience : wakingPatience);
  refuseOver(state);
  if (!mayHibernate(state)) throw refuse('session_busy', describeBusy(state));
  state.updating = { id: updateId };
  try {
    const { defaultBranch } = state.spec.repository;
    const keep = (when: string) =>
      checkpointAndRecord(
        state,
        { checkpointId: newWorkflowId('checkpoint'), label: `${when} ${defaultBranch}` },
        (isSo) => condition(isSo, keepingPatience),
      );
    await keep('before');
    await condition(() => state.checkpointing.plan === null);
    const updated = await updateSandbox(run, request.method);
    mainBroughtIn(state, request, updated, now());
    if (updated.outcome !== 'up_to_date') await keep('after');
    updateAnswered(state, updateId, updated);
    return { ...updated, document: await recordedDocument(state) };
  } finally {
    state.updating = null;
  }
}

export async function forkAndRecord(state: SessionState, request: messages.ForkSessionRequest): Promise<ForkPoint> {
  if (request.checkpoint === null) {
    await condition(() => state.commands.length === 0, reportPatience);
    await condition(() => !isNewestDue(state), state.checkpoint === null ? firstPatience : newestPatience);
  }
  refuseArchived(state);
  const refusal = forkRefusal(state, request);
  if (refusal) throw refuse('conflict', refusal);
  const point = lend(state, request, now());
  if (!point) throw refuse('rate_limited', 'many forks of this session are being made already');
  await recordedDocument(state);
  return point;
}

/** Once the read model shows as much. */
async function recordedDocument(state: SessionState): Promise<SessionDocument> {
  const { dueVersion } = state;
  const document = sessionDocument(state);
  await condition(() => state.recordedVersion >= dueVersion);
  return document;
}
