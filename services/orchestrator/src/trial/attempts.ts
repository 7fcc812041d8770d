// What happens to a trial and its attempts, one function for each. A repeated or late report changes nothing.
//
// 1. An attempt runs its plan in order: the commands, then the verifying ones. It ends at the first that does not exit 0.
// 2. A command that failed decides the verdict. One that could not run to its own end (host or sandbox lost, canceled, never
//    started) decides nothing: the attempt ends without a verdict and says why.
// 3. An attempt that has ended stays as it is, and so does a trial.

import type { CommandOutcome, CommandOrigin, CommandResult } from '@worktrail/contract/commands';
import type { Verdict } from '@worktrail/contract/documents';
import type { CommandReported, SessionReported } from '@worktrail/contract/trial-messages';
import type { AttemptState, TrialState } from './state.ts';

const decidingOutcomes: readonly CommandOutcome[] = ['exited', 'signaled', 'timed_out', 'oom_killed', 'output_limit'];
const reasonLengthMax = 1_000;

export interface PlannedCommand {
  command: string;
  origin: Extract<CommandOrigin, 'trial' | 'verify'>;
}

export function planOf(state: TrialState, index: number): PlannedCommand[] {
  const commands = state.spec.attempts[index]?.commands ?? [];
  return [
    ...commands.map((command) => ({ command, origin: 'trial' as const })),
    ...state.spec.verify.map((command) => ({ command, origin: 'verify' as const })),
  ];
}

export function attemptStarted(state: TrialState, index: number, now: string): void {
  const attempt = attemptIn(state, index, 'pending');
  if (!attempt) return;
  attempt.phase = 'running';
  attempt.startedAt = now;
  state.version += 1;
}

export function sessionStarted(state: TrialState, index: number): void {
  const attempt = attemptIn(state, index, 'running');
  if (attempt?.session === 'unstarted') attempt.session = 'started';
}

export function sessionReported(state: TrialState, report: SessionReported, now: string): void {
  const index = indexOf(state, report.sessionId);
  const attempt = attemptIn(state, index, 'running');
  if (!attempt) return;
  if (report.state === 'ready') attempt.session = 'ready';
  else if (report.state === 'archived') attemptEnded(state, index, null, 'the session was archived', now);
  else attemptEnded(state, index, null, describeSessionFailure(report), now);
}

/** The session's workflow is not there any more. */
export function sessionGone(state: TrialState, index: number, now: string): void {
  attemptEnded(state, index, null, 'the session is gone', now);
}

/** The next command of the plan, under this id. */
export function commandChosen(state: TrialState, index: number, commandId: string, now: string): void {
  const attempt = attemptIn(state, index, 'running');
  if (!attempt || attempt.current) return;
  attempt.current = { commandId, sent: false, asks: 0, queuedAt: now };
  attempt.commandIds.push(commandId);
  state.version += 1;
}

export function commandSent(state: TrialState, index: number, commandId: string): void {
  const current = state.attempts[index]?.current;
  if (current?.commandId === commandId) current.sent = true;
}

/** Nothing was heard of the command for long: it is to be sent again. */
export function commandSilent(state: TrialState, index: number, commandId: string): void {
  const current = state.attempts[index]?.current;
  if (current?.commandId !== commandId) return;
  current.sent = false;
  current.asks += 1;
}

export function commandReported(state: TrialState, report: CommandReported, now: string): void {
  const index = indexOf(state, report.sessionId);
  const attempt = attemptIn(state, index, 'running');
  if (!attempt || attempt.current?.commandId !== report.commandId) return;
  const { result } = report;
  if (result.outcome === 'exited' && result.exitCode === 0) {
    attempt.current = null;
    attempt.done += 1;
    state.version += 1;
  } else {
    const verdict = decidingOutcomes.includes(result.outcome) ? 'failed' : null;
    attemptEnded(state, index, verdict, describeFailure(state, index, result), now);
  }
}

export function planDone(state: TrialState, index: number, now: string): void {
  attemptEnded(state, index, 'passed', null, now);
}

export function attemptFailedToStart(state: TrialState, index: number, detail: string, now: string): void {
  attemptEnded(state, index, null, `the session could not be started: ${detail}`, now);
}

/** All attempts have ended. */
export function concluded(state: TrialState, now: string): void {
  if (state.state !== 'running') return;
  endTrial(state, state.attempts.some(({ verdict }) => verdict !== null) ? 'completed' : 'failed', now);
}

/** What runs is to be stopped; nothing more is started. */
export function trialCanceled(state: TrialState, now: string): void {
  if (state.state !== 'running') return;
  for (const [index, attempt] of state.attempts.entries()) {
    attempt.toStop = attempt.current?.commandId ?? null;
    attemptEnded(state, index, null, 'the trial was canceled', now);
  }
  endTrial(state, 'canceled', now);
}

export function commandStopped(state: TrialState, index: number): void {
  const attempt = state.attempts[index];
  if (attempt) attempt.toStop = null;
}

function endTrial(state: TrialState, as: TrialState['state'], now: string): void {
  state.state = as;
  state.endedAt = now;
  state.version += 1;
}

function attemptEnded(
  state: TrialState,
  index: number,
  verdict: Verdict | null,
  reason: string | null,
  now: string,
): void {
  const attempt = state.attempts[index];
  if (!attempt || attempt.phase === 'ended') return;
  attempt.phase = 'ended';
  attempt.current = null;
  attempt.verdict = verdict;
  attempt.reason = reason?.slice(0, reasonLengthMax) ?? null;
  attempt.endedAt = now;
  state.version += 1;
}

function attemptIn(state: TrialState, index: number, phase: AttemptState['phase']): AttemptState | undefined {
  const attempt = state.attempts[index];
  return state.state === 'running' && attempt?.phase === phase ? attempt : undefined;
}

function indexOf(state: TrialState, sessionId: string): number {
  return state.spec.attempts.findIndex(({ session }) => session.sessionId === sessionId);
}

function describeSessionFailure({ failure }: SessionReported): string {
  return failure ? `the session failed: ${failure.code}: ${failure.detail}` : 'the session failed';
}

function describeFailure(state: TrialState, index: number, result: CommandResult): string {
  const done = state.attempts[index]?.done ?? 0;
  const planned = planOf(state, index)[done];
  const which = `${planned?.origin === 'verify' ? 'verifying ' : ''}command ${JSON.stringify(planned?.command.slice(0, 200))}`;
  if (result.outcome === 'exited') return `${which} exited with ${result.exitCode}`;
  return `${which} ended as ${result.outcome}${result.reason ? `: ${result.reason}` : ''}`;
}
