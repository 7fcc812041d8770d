// What happens to a trial and its attempts, one function for each. A repeated or late report changes nothing.
//
// 1. An attempt runs its plan in order: the commands, then the turn of its message, then the verifying commands. It ends at the first that
//    does not exit 0, or with a turn that was not completed.
// 2. A command that failed decides the verdict, and so does a turn that was not completed: where the agent did not come to its end there is
//    nothing to verify. A command that could not run to its own end (host or sandbox lost, canceled, never started) decides nothing: the
//    attempt ends without a verdict and says why. So does one that was stopped, because another has passed, the budget is used up, or
//    somebody has canceled the trial.
// 3. An attempt that has ended stays as it is, and so does a trial. What its turn uses until it has stopped is counted still.

import type { CommandOutcome, CommandOrigin, CommandResult } from '@worktrail/contract/commands';
import type { Verdict } from '@worktrail/contract/documents';
import type { CommandReported, SessionReported, TurnReported } from '@worktrail/contract/trial-messages';
import type { TurnSpec } from '@worktrail/contract/turns';
import { type BudgetPart, budgetUsedUp, describeBudget } from './budget.ts';
import type { AttemptState, TrialState } from './state.ts';

const decidingOutcomes: readonly CommandOutcome[] = ['exited', 'signaled', 'timed_out', 'oom_killed', 'output_limit'];
const reasonLengthMax = 1_000;
const noUsage = { steps: 0, inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, costUsd: 0 };

export interface PlannedCommand {
  what: 'command';
  command: string;
  origin: Extract<CommandOrigin, 'trial' | 'verify'>;
}

export interface PlannedTurn {
  what: 'turn';
  message: TurnSpec;
}

export function planOf(state: TrialState, index: number): (PlannedCommand | PlannedTurn)[] {
  const { commands = [], message } = state.spec.attempts[index] ?? {};
  return [
    ...commands.map((command) => ({ what: 'command' as const, command, origin: 'trial' as const })),
    ...(message ? [{ what: 'turn' as const, message }] : []),
    ...state.spec.verify.map((command) => ({ what: 'command' as const, command, origin: 'verify' as const })),
  ];
}

/** The step of the plan that runs, or comes next. */
export function plannedNow(state: TrialState, index: number): PlannedCommand | PlannedTurn | undefined {
  return planOf(state, index)[state.attempts[index]?.done ?? 0];
}

export function attemptStarted(state: TrialState, index: number, now: string): void {
  const attempt = attemptIn(state, index, 'pending');
  if (!attempt) return;
  attempt.phase = 'running';
  attempt.startedAt = now;
  state.version += 1;
}

export function sessionStarted(state: TrialState, index: number): void {
  const attempt = state.attempts[index];
  if (attempt?.session !== 'unstarted') return;
  attempt.session = 'started';
  // Its attempt was stopped meanwhile: there is a session now that is to be told so.
  if (attempt.phase === 'ended') state.version += 1;
}

/** These are in the histories of their sessions. */
export function verdictsRecorded(state: TrialState, sessionIds: readonly string[]): void {
  for (const sessionId of sessionIds) state.attempts[indexOf(state, sessionId)]!.verdictRecorded = true;
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

/** The next step of the plan, a command under this id. */
export function stepChosen(state: TrialState, index: number, commandId: string, now: string): void {
  const attempt = attemptIn(state, index, 'running');
  const planned = plannedNow(state, index);
  if (!attempt || attempt.current || !planned) return;
  const id = planned.what === 'turn' ? planned.message.id : commandId;
  attempt.current = { id, sent: false, asks: 0, queuedAt: now };
  if (planned.what === 'turn') attempt.turn = { id, outcome: null, usage: noUsage };
  else attempt.commandIds.push(id);
  state.version += 1;
}

export function stepSent(state: TrialState, index: number, id: string): void {
  const current = state.attempts[index]?.current;
  if (current?.id === id) current.sent = true;
}

/** Nothing was heard of the command or turn for long: it is to be sent again. */
export function stepSilent(state: TrialState, index: number, id: string): void {
  const current = state.attempts[index]?.current;
  if (current?.id !== id) return;
  current.sent = false;
  current.asks += 1;
}

export function commandReported(state: TrialState, report: CommandReported, now: string): void {
  const index = indexOf(state, report.sessionId);
  const attempt = attemptIn(state, index, 'running');
  if (!attempt || attempt.current?.id !== report.commandId) return;
  const { result } = report;
  if (result.outcome === 'exited' && result.exitCode === 0) stepDone(state, attempt);
  else {
    const verdict = decidingOutcomes.includes(result.outcome) ? 'failed' : null;
    attemptEnded(state, index, verdict, describeFailure(state, index, result), now);
  }
}

/** What an earlier report said more of is not taken back: of two, the later may come first. */
export function turnReported(state: TrialState, report: TurnReported, now: string): void {
  const index = indexOf(state, report.sessionId);
  const attempt = state.attempts[index];
  const turn = attempt?.turn;
  if (turn?.id !== report.turnId || turn.outcome !== null || report.usage.steps < turn.usage.steps) return;
  turn.usage = report.usage;
  turn.outcome = report.end?.outcome ?? null;
  state.version += 1;
  if (report.end && attempt?.phase === 'running' && attempt.current?.id === report.turnId) {
    if (report.end.outcome === 'completed') stepDone(state, attempt);
    else attemptEnded(state, index, 'failed', describeTurnEnd(report.end), now);
  }
  const usedUp = budgetUsedUp(state);
  if (usedUp) budgetSpent(state, usedUp, now);
}

/** No turn goes on or begins. An attempt that needs none any more, but for the time, is judged: that costs nothing. */
export function budgetSpent(state: TrialState, part: BudgetPart, now: string): void {
  if (state.state !== 'running') return;
  const reason = describeBudget(state, part);
  const stopped = state.attempts.flatMap((attempt, index) => {
    const { message } = state.spec.attempts[index]!;
    const needsTurn = message !== undefined && attempt.turn?.outcome !== 'completed';
    const isOver = part === 'seconds' || attempt.phase === 'pending' || needsTurn;
    return isOver && attemptStopped(state, index, reason, `trial_budget_${part}`, now) ? [index] : [];
  });
  if (stopped.length > 0) state.reason ??= reason;
}

export function planDone(state: TrialState, index: number, now: string): void {
  attemptEnded(state, index, 'passed', null, now);
  if (state.spec.stopWhen !== 'passed' || state.attempts[index]?.verdict !== 'passed') return;
  const others = state.attempts.map((_, other) =>
    attemptStopped(state, other, 'another attempt passed', 'trial_attempt_passed', now),
  );
  if (others.some(Boolean)) state.reason ??= `attempt ${index + 1} passed`;
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
  for (const index of state.attempts.keys()) {
    attemptStopped(state, index, 'the trial was canceled', 'trial_canceled', now);
  }
  endTrial(state, 'canceled', now);
}

/** `as`: the reason with which what it runs ends. False: it had ended before. */
function attemptStopped(state: TrialState, index: number, reason: string, as: string, now: string): boolean {
  const attempt = state.attempts[index];
  if (!attempt || attempt.phase === 'ended') return false;
  const { current } = attempt;
  const what = attempt.turn !== null && attempt.turn.id === current?.id ? 'turn' : 'command';
  attempt.toStop = current && { what, id: current.id, reason: as };
  attemptEnded(state, index, null, reason, now);
  return true;
}

function stepDone(state: TrialState, attempt: AttemptState): void {
  attempt.current = null;
  attempt.done += 1;
  state.version += 1;
}

export function stepStopped(state: TrialState, index: number): void {
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

function describeTurnEnd({ outcome, reason }: NonNullable<TurnReported['end']>): string {
  return `its turn ended as ${outcome}${reason ? `: ${reason}` : ''}`;
}

function describeFailure(state: TrialState, index: number, result: CommandResult): string {
  const planned = plannedNow(state, index);
  if (planned?.what !== 'command') return '';
  const which = `${planned.origin === 'verify' ? 'verifying ' : ''}command ${JSON.stringify(planned.command.slice(0, 200))}`;
  if (result.outcome === 'exited') return `${which} exited with ${result.exitCode}`;
  return `${which} ended as ${result.outcome}${result.reason ? `: ${result.reason}` : ''}`;
}
