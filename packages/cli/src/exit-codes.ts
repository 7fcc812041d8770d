// What the exit code of `worktrail` says. Documented in README.md and in `worktrail --help`.

import { constants } from 'node:os';
import { type Command, type TurnOutcome, WorktrailApiError, WorktrailConnectionError } from '@worktrail/client';

export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  auth: 4,
  unavailable: 5,
  interrupted: 130,
  /** The reader of stdout has gone: as SIGPIPE would end it. */
  closedPipe: 141,
} as const;

/** Of `worktrail run`, beside the command's own code and 128 + n for a signal. */
export const runExitCodes = {
  detached: 119,
  canceled: 120,
  outputLimit: 121,
  sandboxLost: 122,
  failedToStart: 123,
  timedOut: 124,
  /** Worktrail itself could not run the command, or follow it. */
  worktrailFailed: 125,
  oomKilled: 137,
} as const;

/** Of `worktrail ask`; those that `run` has too mean the same. */
export const turnExitCodes = {
  failed: 110,
  left: 119,
  canceled: 120,
  limitReached: 121,
} as const;

export const turnExitCodeHelp = `
Exit codes:
  0 the turn is completed   110 it failed   119 left, it goes on   120 canceled   121 it reached a limit
  1 to 5, 130 and 141 as for every command: the message was not taken, or the turn could not be followed`;

export const exitCodeHelp = `
Exit codes:
  0 done   1 failed   2 wrong usage   3 not found   4 key missing, wrong or without the scope
  5 Worktrail or a part of it does not answer   130 interrupted
  "worktrail doctor": 0 nothing is found, 1 something is, or not everything could be looked at

Exit codes of "worktrail run": the command's own, 128 + n when signal n ended it, and
  119 detached, the command goes on   120 canceled        121 over its output limit
  122 its sandbox or host was lost    123 did not start   124 timed out
  125 Worktrail could not run or follow it                137 out of memory

Exit codes of "worktrail ask": 0 completed, and
  110 failed   119 left, the turn goes on   120 canceled   121 it reached a limit`;

/** A mistake in how the program was called. */
export class UsageError extends Error {
  override name = 'UsageError';
}

/** A failure whose message is all there is to say. */
export class CliError extends Error {
  override name = 'CliError';
  readonly exitCode: number;
  readonly hint: string | undefined;
  constructor(message: string, exitCode: number = exitCodes.failed, hint?: string) {
    super(message);
    this.exitCode = exitCode;
    this.hint = hint;
  }
}

export function exitCodeOfError(error: unknown): number {
  if (error instanceof UsageError) return exitCodes.usage;
  if (error instanceof CliError) return error.exitCode;
  if (error instanceof WorktrailConnectionError) return exitCodes.unavailable;
  if (!(error instanceof WorktrailApiError)) return exitCodes.failed;
  if (error.status === 404 || error.status === 410) return exitCodes.notFound;
  if (error.status === 401 || error.status === 403) return exitCodes.auth;
  return [502, 503, 504].includes(error.status) ? exitCodes.unavailable : exitCodes.failed;
}

export type CommandEnd = Pick<Command, 'outcome' | 'exitCode' | 'signal'>;

/** What `worktrail run` exits with when the command ended so. */
export function exitCodeOfCommand(end: CommandEnd): number {
  switch (end.outcome) {
    case 'exited':
      return end.exitCode ?? runExitCodes.worktrailFailed;
    case 'signaled':
      return 128 + signalNumber(end.signal);
    case 'timed_out':
      return runExitCodes.timedOut;
    case 'canceled':
      return runExitCodes.canceled;
    case 'oom_killed':
      return runExitCodes.oomKilled;
    case 'output_limit':
      return runExitCodes.outputLimit;
    case 'sandbox_lost':
    case 'host_lost':
      return runExitCodes.sandboxLost;
    case 'failed_to_start':
      return runExitCodes.failedToStart;
    case null:
      return runExitCodes.worktrailFailed;
  }
}

/** What `worktrail ask` exits with when the turn ended so. */
export function exitCodeOfTurn(outcome: TurnOutcome): number {
  switch (outcome) {
    case 'completed':
      return exitCodes.ok;
    case 'failed':
      return turnExitCodes.failed;
    case 'canceled':
      return turnExitCodes.canceled;
    case 'limit_reached':
      return turnExitCodes.limitReached;
  }
}

/** 0 for a signal this machine has no number for. */
function signalNumber(name: string | null): number {
  const full = name?.startsWith('SIG') ? name : `SIG${name}`;
  return (constants.signals as Record<string, number | undefined>)[full] ?? 0;
}
