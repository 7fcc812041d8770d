// The required checks of a candidate: in order, in a session that was made for them, each to exit 0.
//
// 1. A check that could not run to its own end because its sandbox or host was lost says nothing: all are run again in another session,
//    a bounded number of times.
// 2. The first that fails decides; the others are not run.

import type { CommandOutcome, CommandResult } from '@worktrail/contract/commands';
import type { CommandReported } from '@worktrail/contract/trial-messages';
import { checksPlanned } from './candidates.ts';
import { addEvent, changed } from './events.ts';
import type { ProposalState } from './state.ts';

const lostMax = 3;
const lost: readonly CommandOutcome[] = ['sandbox_lost', 'host_lost'];

/** The check that is to run next; undefined: none is left, or one has failed. */
export function nextCheck({ checks }: ProposalState): number | undefined {
  const index = checks.findIndex(({ outcome, exitCode }) => outcome !== 'exited' || exitCode !== 0);
  return index >= 0 && checks[index]?.outcome === null ? index : undefined;
}

export function checkSessionChosen(state: ProposalState, sessionId: string, now: string): void {
  const { candidate } = state;
  if (!candidate || state.checkSession) return;
  state.checkSession = { sessionId, checkpointId: candidate.checkpoint.id, started: false, current: null };
  changed(state, now);
}

export function checkSessionStarted(state: ProposalState, sessionId: string): void {
  if (state.checkSession?.sessionId === sessionId) state.checkSession.started = true;
  // Nobody waits for it any more.
  else if (!state.toEnd.includes(sessionId)) state.toEnd.push(sessionId);
}

export function checkChosen(state: ProposalState, commandId: string, now: string): void {
  const index = nextCheck(state);
  if (index === undefined || !state.checkSession || state.checkSession.current) return;
  state.checkSession.current = { index, commandId, sent: false, asks: 0, queuedAt: now };
  state.checks[index]!.commandId = commandId;
  changed(state, now);
}

export function checkSent(state: ProposalState, commandId: string): void {
  const current = state.checkSession?.current;
  if (current?.commandId === commandId) current.sent = true;
}

/** Nothing was heard of it for long: it is to be sent again. */
export function checkSilent(state: ProposalState, commandId: string): void {
  const current = state.checkSession?.current;
  if (current?.commandId !== commandId) return;
  current.sent = false;
  current.asks += 1;
}

export function checkReported(state: ProposalState, { sessionId, commandId, result }: CommandReported, now: string) {
  const { checkSession } = state;
  if (state.final || checkSession?.sessionId !== sessionId || checkSession.current?.commandId !== commandId) return;
  const { index } = checkSession.current;
  checkSession.current = null;
  if (lost.includes(result.outcome) && state.checksLost < lostMax) return beginAgain(state, now);
  checkEnded(state, index, result, now);
}

/** Its session has ended without a word of the check that it had. */
export function checkSessionGone(state: ProposalState, sessionId: string, detail: string, now: string): void {
  state.toEnd = state.toEnd.filter((other) => other !== sessionId);
  const { checkSession } = state;
  if (state.final || checkSession?.sessionId !== sessionId) return;
  const index = checkSession.current?.index ?? nextCheck(state);
  checkSession.started = false;
  if (index === undefined) return;
  if (state.checksLost < lostMax) return beginAgain(state, now);
  checkSession.current = null;
  const result = { outcome: 'failed_to_start' as const, reason: detail, exitCode: null, signal: null };
  checkEnded(state, index, { ...result, stdoutBytes: 0, stderrBytes: 0 }, now);
}

function beginAgain(state: ProposalState, now: string): void {
  const { checksLost } = state;
  checksPlanned(state);
  state.checksLost = checksLost + 1;
  changed(state, now);
}

function checkEnded(state: ProposalState, index: number, result: CommandResult, now: string): void {
  const check = state.checks[index];
  if (!check) return;
  check.outcome = result.outcome;
  check.exitCode = result.exitCode;
  const { outcome, exitCode, reason } = result;
  if (outcome !== 'exited')
    state.trouble = { times: 0, detail: `a check ended as ${outcome}${reason ? `: ${reason}` : ''}`, rested: true };
  const value = {
    proposalId: state.spec.proposalId,
    command: check.command,
    outcome,
    ...(exitCode !== null && { exitCode }),
    commandId: check.commandId ?? '',
  };
  addEvent(state, { case: 'proposalChecked', value }, now);
}

/** They are over, whatever came of them: the session is kept in the history and let go. */
export function checkSessionDone(state: ProposalState): void {
  const { checkSession } = state;
  if (!checkSession?.started) return;
  state.toEnd.push(checkSession.sessionId);
  checkSession.started = false;
}

/** It has come to its end: where its checks ran is still told. */
export function checksOver(state: ProposalState): void {
  checkSessionDone(state);
  if (state.checks.every(({ commandId }) => commandId === null)) state.checkSession = null;
  else if (state.checkSession) state.checkSession.current = null;
}

export function sessionEnded(state: ProposalState, sessionId: string): void {
  state.toEnd = state.toEnd.filter((other) => other !== sessionId);
}
