// What a session is told and asked. Handlers change the state and return; they refuse with error codes of the contract. What takes longer is in
// `lasting-updates.ts`.

import { defineQuery, defineSignal, defineUpdate, setHandler, workflowInfo } from '@temporalio/workflow';
import type { CommandSpec } from '@worktrail/contract/commands';
import type { CheckpointDocument, SessionDocument } from '@worktrail/contract/documents';
import type { ForkPoint } from '@worktrail/contract/forks';
import * as messages from '@worktrail/contract/session-messages';
import * as permissions from '@worktrail/contract/permissions';
import * as turns from '@worktrail/contract/turns';
import { acceptCommand, findLive, refusal } from './commands.ts';
import { hibernationWished } from './hibernation.ts';
import { repaid } from './forks.ts';
import { reportSession, sandboxStopped } from './life.ts';
import { modelsCalled } from './models-called.ts';
import { answerRefusal, pendingOf, permissionAnswered } from './permissions.ts';
import { isOver } from './phases.ts';
import { now } from '../workflow-clock.ts';
import type { SessionRun } from './run.ts';
import { sessionDocument, type SessionState } from './state.ts';
import { findTurn } from './turn-ends.ts';
import { messageRefusal, messageTaken } from './turns.ts';
import { refuse, refuseArchived, refuseOver } from './refusals.ts';
import { cancelAndTell, loseHost, stopCommand, stopTurn } from './stopping.ts';
import {
  archiveAndRecord,
  askForCheckpoint,
  captureFiles,
  changeFileAndRecord,
  endWhenIdle,
  forkAndRecord,
  hibernateAndRecord,
  patchAndRecord,
  resumeAndDescribe,
  revertAndRecord,
  settleFiles,
  updateAndRecord,
  whileWaiting,
} from './lasting-updates.ts';

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
