// The commands of a session: which are accepted, which may start, how they end.
//
// 1. Commands run one at a time in the order in which they were accepted; background commands run beside them.
// 2. At most `liveCommandsMax` run at once, at most `queuedCommandsMax` wait, and all of them together with the messages that wait are bounded
//    in bytes, because they are carried over continue-as-new in one payload.
// 3. A command id is one command: asked again, it is answered as the first time.
// 4. Each accepted command ends exactly once.

import type { CommandOutcome, CommandResult, CommandSpec } from '@worktrail/contract/commands';
import type { ErrorCode } from '@worktrail/contract/errors';
import { limits } from '@worktrail/contract/limits';
import type { CommandAccepted } from '@worktrail/contract/session-messages';
import { addCommandQueued, addReady, addSessionEvent, addTurnEvent, addUnstartedEnd, changed } from './events.ts';
import { waitsFor } from './occupations.ts';
import { isOver, isPreparing } from './phases.ts';
import { endedCommandsMax, type LiveCommandState, type SessionState } from './state.ts';

export const liveCommandBytesMax = 1024 * 1024;

export interface Refusal {
  code: ErrorCode;
  detail: string;
}

export function findLive(state: SessionState, commandId: string): LiveCommandState | undefined {
  return state.commands.find((command) => command.spec.id === commandId);
}

/** Why a command is not accepted; null when it is. */
export function refusal(state: SessionState, spec: CommandSpec): Refusal | null {
  if (findLive(state, spec.id) || state.ended.some((ended) => ended.id === spec.id)) return null;
  if (state.phase === 'failed') {
    return { code: 'session_failed', detail: `the session has failed: ${state.failure?.detail ?? 'no reason known'}` };
  }
  if (isOver(state)) return { code: 'session_archived', detail: 'the session is archived' };
  const running = state.commands.filter(({ state: is }) => is === 'running' || is === 'lost').length;
  const waiting = state.commands.length - running;
  if (spec.background && running + waitingInBackground(state) >= limits.liveCommandsMax) {
    return { code: 'live_commands_exceeded', detail: `${limits.liveCommandsMax} commands of the session are live` };
  }
  if (waiting >= limits.queuedCommandsMax) {
    return { code: 'queued_commands_exceeded', detail: `${limits.queuedCommandsMax} commands of the session wait` };
  }
  const detail = heldTooMuch(state, spec);
  return detail === null ? null : { code: 'queued_commands_exceeded', detail };
}

/** Why one more command or message is too much for what is carried over; null: it is not, or it is the only one. */
export function heldTooMuch({ commands, turns }: SessionState, spec: object): string | null {
  const bytes = [...commands, ...turns.live].reduce((sum, one) => sum + jsonBytes(one.spec), 0);
  if (bytes === 0 || bytes + jsonBytes(spec) <= liveCommandBytesMax) return null;
  return `the session's commands and messages would hold over ${liveCommandBytesMax} bytes`;
}

function waitingInBackground(state: SessionState): number {
  return state.commands.filter((command) => command.state === 'queued' && command.spec.background).length;
}

/** An upper bound that needs no encoder: three bytes for each UTF-16 unit that is not ASCII. */
export function jsonBytes(value: object): number {
  const text = JSON.stringify(value);
  return text.length + 2 * (text.length - text.replace(/[^\x00-\x7f]/g, '').length);
}

/** Accepts a command that is not refused. `reportTo`: the trial workflow that is told of its end. */
export function acceptCommand(
  state: SessionState,
  spec: CommandSpec,
  reportTo: string | null,
  now: string,
): CommandAccepted {
  const ended = state.ended.find((candidate) => candidate.id === spec.id);
  if (ended) {
    if (reportTo !== null) reportCommand(state, reportTo, ended.id, ended.result);
    return { state: ended.accepted };
  }
  const live = findLive(state, spec.id);
  if (live) return { state: live.accepted };
  const command: LiveCommandState = {
    spec,
    state: 'queued',
    startedAt: null,
    queuedEvent: 'none',
    accepted: 'queued',
    cancelReason: null,
    reportTo,
    result: null,
  };
  state.commands.push(command);
  state.lastActiveAt = now;
  changed(state);
  if (startableCommand(state) === command) command.accepted = 'running';
  return { state: command.accepted };
}

/** The next command that may start now. */
export function startableCommand(state: SessionState): LiveCommandState | undefined {
  if (!state.sandboxOpen || isOver(state)) return undefined;
  const running = state.commands.filter((command) => command.state === 'running' || command.state === 'lost');
  if (running.length >= limits.liveCommandsMax) return undefined;
  let orderTaken = running.some((command) => !command.spec.background);
  if (isPreparing(state)) {
    // One that ran in the sandbox before is live until its runner, or its history, says how it ended.
    if (orderTaken) return undefined;
    return state.commands.find((command) => command.spec.origin === 'setup' && command.state === 'queued');
  }
  // What a revert makes of the files is the checkpoint's alone: nothing runs until it is stored.
  if (state.phase !== 'ready' || waitsFor('command', state).length > 0) return undefined;
  for (const command of state.commands) {
    if (command.state !== 'queued' || (orderTaken && !command.spec.background)) continue;
    // What the session writes about it has to be in the stream before its runner writes there.
    if (command.queuedEvent !== 'pending') return command;
    orderTaken ||= !command.spec.background;
  }
  return undefined;
}

/** True when the command was live. One that runs is to be interrupted; one that waits ends here. */
export function cancelCommand(state: SessionState, commandId: string, reason: string, now: string): boolean {
  const command = findLive(state, commandId);
  if (!command) return false;
  if (command.state === 'running') command.cancelReason ??= reason;
  else if (command.state === 'queued') endUnstarted(state, command, 'canceled', reason, now);
  changed(state);
  return true;
}

// CommandOutcome of event.proto, for the outcomes of a command that never started.
const outcomeNumbers = { canceled: 4, failed_to_start: 9 } as const satisfies Partial<Record<CommandOutcome, number>>;

/** Ends a command that never started. It stays live until that is recorded, so that what waits to be recorded is bounded. */
export function endUnstarted(
  state: SessionState,
  command: LiveCommandState,
  outcome: keyof typeof outcomeNumbers,
  reason: string,
  now: string,
): void {
  command.state = 'ending';
  command.result = { outcome, reason, exitCode: null, signal: null, stdoutBytes: 0, stderrBytes: 0 };
  if (command.queuedEvent === 'none') addCommandQueued(state, command);
  addUnstartedEnd(state, command, now, outcomeNumbers[outcome]);
}

/** Takes an ended command out of the live ones. */
export function closeCommand(state: SessionState, commandId: string, result: CommandResult, now: string): void {
  const command = findLive(state, commandId);
  if (!command) return;
  state.commands = state.commands.filter((candidate) => candidate !== command);
  state.ended.push({ id: commandId, accepted: command.accepted, result });
  if (state.ended.length > endedCommandsMax) state.ended.shift();
  if (command.reportTo !== null) reportCommand(state, command.reportTo, commandId, result);
  state.lastActiveAt = now;
  changed(state);
}

function reportCommand(state: SessionState, to: string, commandId: string, result: CommandResult): void {
  const repeated = state.reports.some((report) => report.about === 'command' && report.commandId === commandId);
  if (!repeated) state.reports.push({ about: 'command', to, commandId, result });
}

/** Something the history should show if it is still so a moment later: commands keep the session busy, or one waits. */
export function isUnsettled(state: SessionState): boolean {
  if (state.phase === 'ready' && state.commands.length > 0 && !state.busyRecorded) return true;
  return state.commands.some(isWaitingUnrecorded);
}

/** How long it has to be so. */
const settlingMs = 1_000;

/** When it is to be written down; null: nothing is. */
export function settleAtMs({ unsettledSince }: SessionState): number | null {
  return unsettledSince === null ? null : Date.parse(unsettledSince) + settlingMs;
}

/** Writes down what is still so after that moment. */
export function settle(state: SessionState, now: string): void {
  for (const command of state.commands) if (isWaitingUnrecorded(command)) addCommandQueued(state, command);
  const first = state.commands[0];
  if (state.phase !== 'ready' || !first || state.busyRecorded) return;
  state.busyRecorded = true;
  addSessionEvent(state, now, { case: 'sessionBusy', value: { commandId: first.spec.id } });
}

/** A turn is never short: the history shows it from its beginning on. */
export function turnShown(state: SessionState, now: string): void {
  const turn = state.turns.live.find(({ stage }) => stage !== 'queued');
  if (state.phase !== 'ready' || !turn || state.busyRecorded) return;
  state.busyRecorded = true;
  addTurnEvent(state, turn.spec.id, now, { case: 'sessionBusy', value: { commandId: '' } });
}

/** The history that shows it busy shows the end of that too. */
export function settledAgain(state: SessionState, now: string): void {
  if (!state.busyRecorded || state.commands.length > 0 || state.turns.live.length > 0) return;
  state.busyRecorded = false;
  addReady(state, now);
}

function isWaitingUnrecorded(command: LiveCommandState): boolean {
  return command.state === 'queued' && command.queuedEvent === 'none';
}
