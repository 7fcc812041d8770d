// Reading why an activity failed, in workflow code.

import { ApplicationFailure, TimeoutFailure } from '@temporalio/common';
import { ActivityFailure } from '@temporalio/workflow';

/** The failure's type as the activity named it; undefined for time-outs, cancels and what no activity threw. */
export function failureType(error: unknown): string | undefined {
  const cause = causeOf(error);
  return cause instanceof ApplicationFailure ? (cause.type ?? undefined) : undefined;
}

export function failureMessage(error: unknown): string {
  return causeOf(error)?.message ?? String(error);
}

/** No worker took the activity up in time; such a time-out is never retried by the server. */
export function wasNotTakenUp(error: unknown): boolean {
  const cause = causeOf(error);
  return cause instanceof TimeoutFailure && cause.timeoutType === 'SCHEDULE_TO_START';
}

export function wasTimedOut(error: unknown): boolean {
  return causeOf(error) instanceof TimeoutFailure;
}

function causeOf(error: unknown): Error | undefined {
  return error instanceof ActivityFailure ? error.cause : undefined;
}
