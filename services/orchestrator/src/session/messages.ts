// What a session answers. Handlers change the state and return; they refuse with error codes of the contract.

import { ApplicationFailure } from '@temporalio/common';
import { condition, defineQuery, defineSignal, defineUpdate, setHandler, workflowInfo } from '@temporalio/workflow';
import type { CommandSpec } from '@worktrail/contract/commands';
import type { SessionDocument } from '@worktrail/contract/documents';
import type { ErrorCode } from '@worktrail/contract/errors';
import * as messages from '@worktrail/contract/session-messages';
import { acceptCommand, cancelCommand, findLive, refusal } from './commands.ts';
import { archiveRequested, isAsSeen, patched, reportSession, sandboxStopped } from './life.ts';
import { isOver, isPreparing } from './phases.ts';
import { now } from '../workflow-clock.ts';
import type { SessionRun } from './run.ts';
import { type SessionState, sessionDocument } from './state.ts';

/** How long an archive waits for commands that have just ended to be reported: shorter than a caller waits for the answer. */
const archivePatience = '3 seconds';

const runCommand = defineUpdate<messages.CommandAccepted, [CommandSpec]>(messages.runCommand);
const cancel = defineUpdate<{ accepted: boolean }, [messages.CancelCommandRequest]>(messages.cancelCommand);
const patch = defineUpdate<SessionDocument, [messages.PatchSessionRequest]>(messages.patchSession);
const archive = defineUpdate<SessionDocument>(messages.archiveSession);
const describe = defineQuery<SessionDocument>(messages.describeSession);
const describeCommand = defineQuery<messages.LiveCommand | null, [string]>(messages.describeCommand);
const stopped = defineSignal<[messages.SandboxStopped]>(messages.sandboxStopped);
const runTrialCommand = defineSignal<[messages.RunTrialCommand]>(messages.runTrialCommand);
const cancelTrialCommand = defineSignal<[messages.CancelCommandRequest]>(messages.cancelTrialCommand);

export function answerMessages(run: SessionRun): void {
  const { state } = run;
  setHandler(runCommand, (spec) => count(run, () => acceptCommand(state, spec, null, now())), {
    validator: (spec) => {
      const refused = refusal(state, spec);
      if (refused) throw refuse(refused.code, refused.detail);
    },
  });
  setHandler(cancel, (request) => count(run, () => ({ accepted: stopCommand(run, request) })));
  setHandler(patch, (request) => count(run, () => patchAndRecord(state, request)), {
    validator: (_request) => {
      if (state.archiveRequested) throw refuse('session_archived', 'the session is archived');
    },
  });
  setHandler(archive, () => count(run, () => archiveAndRecord(run)));
  setHandler(describe, () => sessionDocument(state));
  setHandler(describeCommand, (commandId) => liveCommand(state, commandId));
  setHandler(stopped, ({ generation, reason }) => sandboxStopped(state, generation, reason, now()));
  setHandler(runTrialCommand, (request) => acceptFromTrial(state, request));
  setHandler(cancelTrialCommand, (request) => void stopCommand(run, request));
}

function count<T>(run: SessionRun, handle: () => T): T {
  run.updates += 1;
  run.updatedAtLength = workflowInfo().historyLength;
  return handle();
}

function liveCommand(state: SessionState, commandId: string): messages.LiveCommand | null {
  const command = findLive(state, commandId);
  return command ? { spec: command.spec, state: command.state === 'running' ? 'running' : 'queued' } : null;
}

function refuse(code: ErrorCode, detail: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(detail, code);
}

function stopCommand(run: SessionRun, { commandId, reason }: messages.CancelCommandRequest): boolean {
  const before = findLive(run.state, commandId)?.cancelReason ?? null;
  const accepted = cancelCommand(run.state, commandId, reason, now());
  // Once: a later interrupt would only hinder the runner that is ending it.
  if (before === null) run.background.interrupt(commandId);
  return accepted;
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
  await condition(() => state.commands.length === 0, archivePatience);
  if (state.commands.length > 0 && !state.archiveRequested) throw refuse('session_busy', describeBusy(state));
  if (!state.archiveRequested) archiveRequested(state);
  if (isPreparing(state)) run.background.interrupt('sandbox');
  await condition(() => state.phase === 'archived' && state.recordedVersion >= state.dueVersion);
  return sessionDocument(state);
}

function describeBusy(state: SessionState): string {
  return `the session has ${state.commands.length} live commands, the first is ${state.commands[0]?.spec.id}`;
}

/** A trial's command is accepted beyond the bounds of users' commands: a trial has one at a time in a session. */
function acceptFromTrial(state: SessionState, { trialWorkflowId, command }: messages.RunTrialCommand): void {
  const known = findLive(state, command.id) ?? state.ended.find((ended) => ended.id === command.id);
  if (known || !isOver(state)) acceptCommand(state, command, trialWorkflowId, now());
  else reportSession(state, state.phase === 'failed' ? 'failed' : 'archived', trialWorkflowId);
}
