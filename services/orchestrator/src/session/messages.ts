// What a session answers. Handlers change the state and return; they refuse with error codes of the contract.

import { ApplicationFailure } from '@temporalio/common';
import { condition, defineQuery, defineSignal, defineUpdate, setHandler, workflowInfo } from '@temporalio/workflow';
import type { CommandSpec } from '@worktrail/contract/commands';
import type { CheckpointDocument, SessionDocument } from '@worktrail/contract/documents';
import type { ErrorCode } from '@worktrail/contract/errors';
import type { ForkPoint } from '@worktrail/contract/forks';
import * as messages from '@worktrail/contract/session-messages';
import * as permissions from '@worktrail/contract/permissions';
import * as turns from '@worktrail/contract/turns';
import { acceptCommand, cancelCommand, findLive, refusal } from './commands.ts';
import { areFilesSettled, askedCheckpoint, checkpointAsked, checkpointGivenUp, filesWanted } from './checkpoints.ts';
import { hibernationBegun, hibernationWished, mayHibernate } from './hibernation.ts';
import { answeredFileChange, fileChangeAsked } from './file-changes.ts';
import { forkRefusal, isNewestDue, lend, lendToProposal, lentTo, repaid } from './forks.ts';
import { concernsLostHost, hostLost } from './host-loss.ts';
import {
  archiveRequested,
  isAsSeen,
  mainBroughtIn,
  patched,
  reportSession,
  resumed,
  sandboxStopped,
  updateAnswered,
} from './life.ts';
import { modelsCalled } from './models-called.ts';
import { waitsFor } from './occupations.ts';
import { answerRefusal, pendingOf, permissionAnswered } from './permissions.ts';
import { isOver, isPreparing } from './phases.ts';
import { answeredRevert, mayBeginRevert, revertBegun, revertIsUnderWay } from './reverts.ts';
import { newWorkflowId, now } from '../workflow-clock.ts';
import type { SessionRun } from './run.ts';
import { updateSandbox } from './steps/update.ts';
import { type SessionState, sessionDocument, type ToolUseState } from './state.ts';
import { findTurn, messageRefusal, messageTaken, turnCanceled } from './turns.ts';

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

const runCommand = defineUpdate<messages.CommandAccepted, [CommandSpec]>(messages.runCommand);
const cancel = defineUpdate<{ accepted: boolean }, [messages.CancelCommandRequest]>(messages.cancelCommand);
const patch = defineUpdate<SessionDocument, [messages.PatchSessionRequest]>(messages.patchSession);
const archive = defineUpdate<SessionDocument>(messages.archiveSession);
const hibernate = defineUpdate<SessionDocument, [messages.HibernateSessionRequest]>(messages.hibernateSession);
const resume = defineUpdate<SessionDocument>(messages.resumeSession);
const checkpoint = defineUpdate<CheckpointDocument, [messages.CreateCheckpointRequest]>(messages.createCheckpoint);
const revert = defineUpdate<messages.RevertDocument, [messages.RevertSessionRequest]>(messages.revertSession);
const changeFile = defineUpdate<messages.ChangedFile, [messages.ChangeFileRequest]>(messages.changeFile);
const settle = defineUpdate<messages.SettledFiles>(messages.settleFiles);
const capture = defineUpdate<messages.CapturedFiles, [messages.CaptureFilesRequest]>(messages.captureFiles);
const update = defineUpdate<messages.UpdateDocument, [messages.UpdateSessionRequest]>(messages.updateSession);
const fork = defineUpdate<ForkPoint, [messages.ForkSessionRequest]>(messages.forkSession);
const sendMessage = defineUpdate<turns.TurnAccepted, [turns.TurnSpec]>(turns.sendMessage);
const cancelTurn = defineUpdate<turns.TurnCanceled, [turns.CancelTurnRequest]>(turns.cancelTurn);
const answerPermission = defineUpdate<permissions.PermissionAnswer, [permissions.AnswerPermissionRequest]>(
  permissions.answerPermission,
);
const describePermissions = defineQuery<permissions.PermissionRequest[], [string]>(permissions.describePermissions);
const describe = defineQuery<SessionDocument>(messages.describeSession);
const describeCommand = defineQuery<messages.LiveCommand | null, [string]>(messages.describeCommand);
const called = defineSignal<[messages.ModelsCalled]>(messages.modelsCalled);
const stopped = defineSignal<[messages.SandboxStopped]>(messages.sandboxStopped);
const hibernateWhenIdle = defineSignal<[messages.HibernateSessionRequest]>(messages.hibernateWhenIdle);
const lostHost = defineSignal<[messages.HostLost]>(messages.hostLost);
const forkRecorded = defineSignal<[messages.ForkRecorded]>(messages.forkRecorded);
const loanRepaid = defineSignal<[messages.LoanRepaid]>(messages.loanRepaid);
const runTrialCommand = defineSignal<[messages.RunTrialCommand]>(messages.runTrialCommand);
const cancelTrialCommand = defineSignal<[messages.CancelCommandRequest]>(messages.cancelTrialCommand);
const runTrialTurn = defineSignal<[messages.RunTrialTurn]>(messages.runTrialTurn);
const cancelTrialTurn = defineSignal<[turns.CancelTurnRequest]>(messages.cancelTrialTurn);
const endSession = defineSignal(messages.endSession);

export function answerMessages(run: SessionRun): void {
  const { state } = run;
  setHandler(runCommand, (spec) => count(run, () => acceptCommand(state, spec, null, now())), {
    validator: (spec) => {
      const refused = refusal(state, spec);
      if (refused) throw refuse(refused.code, refused.detail);
    },
  });
  setHandler(cancel, (request) => count(run, () => ({ accepted: stopCommand(run, request) })));
  setHandler(sendMessage, (spec) => count(run, () => messageTaken(state, spec, now())), {
    validator: (spec) => {
      const refused = messageRefusal(state, spec);
      if (refused) throw refuse(refused.code, refused.detail);
    },
  });
  setHandler(cancelTurn, (request) => count(run, () => cancelAndTell(run, request)));
  setHandler(answerPermission, (answer) => count(run, () => permissionAnswered(state, answer, now())), {
    validator: (answer) => {
      const refused = answerRefusal(state, answer);
      if (refused) throw refuse(refused.code, refused.detail);
    },
  });
  setHandler(describePermissions, (turnId) => pendingOf(state, turnId));
  setHandler(patch, (request) => count(run, () => patchAndRecord(state, request)), {
    validator: (_request) => {
      if (state.archiveRequested) throw refuse('session_archived', 'the session is archived');
    },
  });
  setHandler(archive, () => count(run, () => archiveAndRecord(run)));
  setHandler(hibernate, (request) => count(run, () => whileWaiting(run, () => hibernateAndRecord(run, request))), {
    validator: (_request) => refuseOver(state),
  });
  setHandler(resume, () => count(run, () => resumeAndDescribe(state)), { validator: () => refuseOver(state) });
  setHandler(checkpoint, (request) => count(run, () => whileWaiting(run, () => askForCheckpoint(run, request))), {
    validator: (_request) => refuseOver(state),
  });
  setHandler(revert, (request) => count(run, () => whileWaiting(run, () => revertAndRecord(run, request))), {
    validator: (_request) => refuseOver(state),
  });
  setHandler(changeFile, (request) => count(run, () => whileWaiting(run, () => changeFileAndRecord(run, request))), {
    validator: (_request) => refuseOver(state),
  });
  setHandler(settle, () => count(run, () => whileWaiting(run, () => settleFiles(state))));
  setHandler(capture, (request) => count(run, () => whileWaiting(run, () => captureFiles(run, request))), {
    validator: (_request) => refuseOver(state),
  });
  setHandler(update, (request) => count(run, () => whileWaiting(run, () => updateAndRecord(run, request))), {
    validator: (_request) => refuseOver(state),
  });
  setHandler(fork, (request) => count(run, () => whileWaiting(run, () => forkAndRecord(state, request))), {
    validator: (_request) => refuseArchived(state),
  });
  setHandler(forkRecorded, ({ sessionId }) => repaid(state, sessionId));
  setHandler(loanRepaid, ({ borrower }) => repaid(state, borrower));
  setHandler(hibernateWhenIdle, ({ reason }) => hibernationWished(state, reason));
  setHandler(lostHost, (lost) => loseHost(run, lost));
  setHandler(describe, () => sessionDocument(state));
  setHandler(describeCommand, (commandId) => liveCommand(state, commandId));
  setHandler(stopped, ({ generation, reason }) => sandboxStopped(state, generation, reason, now()));
  setHandler(called, (counted) => modelsCalled(state, counted, now()));
  setHandler(runTrialCommand, (request) => acceptFromTrial(state, request));
  setHandler(cancelTrialCommand, (request) => void stopCommand(run, request));
  setHandler(runTrialTurn, (request) => takeFromTrial(state, request));
  setHandler(cancelTrialTurn, ({ turnId, reason }) => void stopTurn(run, turnId, reason));
  setHandler(endSession, () => endWhenIdle(run));
}

function count<T>(run: SessionRun, handle: () => T): T {
  run.updates += 1;
  run.updatedAtLength = workflowInfo().historyLength;
  return handle();
}

function liveCommand(state: SessionState, commandId: string): messages.LiveCommand | null {
  const command = findLive(state, commandId);
  const hasStarted = command?.state === 'running' || command?.state === 'lost';
  return command ? { spec: command.spec, state: hasStarted ? 'running' : 'queued' } : null;
}

function refuse(code: ErrorCode, detail: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(detail, code);
}

function refuseOver(state: SessionState): void {
  if (state.phase === 'failed')
    throw refuse('session_failed', `the session has failed: ${state.failure?.detail ?? ''}`);
  if (isOver(state)) throw refuse('session_archived', 'the session is archived');
}

/** A session that has failed has what it stored. */
function refuseArchived(state: SessionState): void {
  if (state.phase === 'archived') throw refuse('session_archived', 'the session is archived');
}

async function whileWaiting<T>(run: SessionRun, wait: () => Promise<T>): Promise<T> {
  if (run.waiting >= waitingMax) throw refuse('rate_limited', `${waitingMax} others wait for this session already`);
  run.waiting += 1;
  try {
    return await wait();
  } finally {
    run.waiting -= 1;
  }
}

function stopCommand(run: SessionRun, { commandId, reason }: messages.CancelCommandRequest): boolean {
  const before = findLive(run.state, commandId)?.cancelReason ?? null;
  const accepted = cancelCommand(run.state, commandId, reason, now());
  // Once: a later interrupt would only hinder the runner that is ending it.
  if (before === null) run.background.interrupt(commandId);
  return accepted;
}

function cancelAndTell(run: SessionRun, { turnId, reason }: turns.CancelTurnRequest): turns.TurnCanceled {
  const accepted = stopTurn(run, turnId, reason);
  const stopping = run.state.commands.filter(({ spec, state: is }) => spec.turnId === turnId && is === 'running');
  return { accepted, commands: stopping.map(({ spec }) => spec.id) };
}

/** False: it is not live. */
export function stopTurn(run: SessionRun, turnId: string, reason: string): boolean {
  const { state, background } = run;
  const isCurrent = state.turns.live[0]?.spec.id === turnId;
  const accepted = turnCanceled(state, turnId, reason, now());
  if (!accepted || !isCurrent) return accepted;
  background.interrupt('model');
  background.interrupt('agent');
  const isOnHost = ({ state: is, use }: ToolUseState) => is === 'telling' && use.kind !== 'command';
  if (state.turns.live[0]?.tools.some(isOnHost)) background.interrupt('tool');
  const commands = state.commands.filter(({ spec }) => spec.turnId === turnId);
  for (const { spec } of commands) stopCommand(run, { commandId: spec.id, reason: 'turn_canceled' });
  return true;
}

async function patchAndRecord(state: SessionState, request: messages.PatchSessionRequest): Promise<SessionDocument> {
  if (!isAsSeen(state, request)) throw refuse('precondition_failed', 'the session was changed at the same time');
  patched(state, request);
  const { version } = state;
  await condition(() => state.recordedVersion >= version);
  return sessionDocument(state);
}

async function archiveAndRecord(run: SessionRun): Promise<SessionDocument> {
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

async function hibernateAndRecord(
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
function resumeAndDescribe(state: SessionState): SessionDocument {
  if (state.phase === 'hibernated') resumed(state, 'requested', now());
  else if (state.phase === 'hibernating') state.hibernation.resumeWanted = true;
  return sessionDocument(state);
}

/** What was begun goes on, whether or not somebody waits: asked for again by its id it is the same, and answered when it is done. */
async function answered({ answerPatienceMs }: SessionRun, isSo: () => boolean, what: string): Promise<void> {
  if (await condition(isSo, answerPatienceMs)) return;
  throw refuse('still_running', `${what}, which goes on: ask again with the same Idempotency-Key for how it ends`);
}

function askForCheckpoint(run: SessionRun, request: messages.CreateCheckpointRequest): Promise<CheckpointDocument> {
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

async function revertAndRecord(
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

async function changeFileAndRecord(
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

function cancelUsersCommands(run: SessionRun): void {
  const turn = run.state.turns.live[0];
  if (turn && turn.stage !== 'queued') stopTurn(run, turn.spec.id, 'reverted');
  const commands = run.state.commands.filter(({ spec }) => spec.origin !== 'setup');
  for (const { spec } of commands) stopCommand(run, { commandId: spec.id, reason: 'reverted' });
}

async function settleFiles(state: SessionState): Promise<messages.SettledFiles> {
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
async function captureFiles(run: SessionRun, request: messages.CaptureFilesRequest): Promise<messages.CapturedFiles> {
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
async function endWhenIdle(run: SessionRun): Promise<void> {
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
async function updateAndRecord(
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

async function forkAndRecord(state: SessionState, request: messages.ForkSessionRequest): Promise<ForkPoint> {
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

/** What is under way there is not waited for. */
function loseHost(run: SessionRun, lost: messages.HostLost): void {
  const { state, background } = run;
  if (!concernsLostHost(state, lost)) return;
  for (const { spec, state: is } of state.commands) if (is === 'running') background.abandon(spec.id);
  background.abandon('checkpoint');
  background.abandon('reverting');
  background.abandon('changing');
  background.abandon('agent');
  background.abandon('sandbox');
  hostLost(state, lost, now());
}

function describeBusy(state: SessionState): string {
  if (state.commands.length > 0)
    return `a command is live: ${state.commands[0]?.spec.id}${state.commands.length > 1 ? `, and ${state.commands.length - 1} more` : ''}`;
  const turn = state.turns.live[0];
  if (turn) return `turn ${turn.spec.id} is under way`;
  if (state.reverting.plan) return 'it is being reverted';
  if (state.updating) return 'the default branch is being brought in';
  return state.changing.asked.length > 0 ? 'a file of it is being changed' : `the session is ${state.phase}`;
}

/** A trial's command is accepted beyond the bounds of users' commands: a trial has one at a time in a session. */
function acceptFromTrial(state: SessionState, { trialWorkflowId, command }: messages.RunTrialCommand): void {
  const known = findLive(state, command.id) ?? state.ended.find((ended) => ended.id === command.id);
  if (known || !isOver(state)) acceptCommand(state, command, trialWorkflowId, now());
  else reportOver(state, trialWorkflowId);
}

/** The same of a trial's message. */
function takeFromTrial(state: SessionState, { turn, reportTo }: messages.RunTrialTurn): void {
  const isKnown = findTurn(state, turn.id) || state.turns.ended.some(({ id }) => id === turn.id);
  if (isKnown || !isOver(state)) messageTaken(state, turn, now(), reportTo);
  else reportOver(state, reportTo.workflowId);
}

function reportOver(state: SessionState, trialWorkflowId: string): void {
  reportSession(state, state.phase === 'failed' ? 'failed' : 'archived', trialWorkflowId);
}
