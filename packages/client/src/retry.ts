// When a request is tried again, and after how long. Pure: randomness arrives as a number.
//
// 1. Only what is known not to have been done, or can be done twice without harm: GET, PUT, DELETE, and POST with an idempotency key.
// 2. Waits grow from 200 ms to 5 s, with jitter; a server's Retry-After counts up to 30 s. `attemptsMax` bounds the whole.

import { WorktrailApiError, WorktrailConnectionError } from './api-error.ts';

const baseDelayMs = 200;
const delayMsMax = 5_000;
const retryAfterMsMax = 30_000;

/** What goes on is asked for again until it has ended: each time costs the server's patience, so that this is an hour. */
export const stillRunningAttemptsMax = 80;

/** A first request that is not done after these has died: what it did is not known, and stays so. */
const inProgressAttemptsMax = 8;

/** Statuses with which the request was not carried out, or its outcome is unknown but repeating it is harmless. */
const transientStatuses = [502, 503, 504];

export function canRepeat(method: string, headers: Headers): boolean {
  if (method === 'POST') return headers.has('idempotency-key');
  if (method === 'PATCH') return !headers.has('if-match');
  return true;
}

/** It was begun and goes on: asked for again under the same key its result is got. */
export function isStillRunning(error: unknown): error is WorktrailApiError {
  return error instanceof WorktrailApiError && error.code === 'still_running';
}

/** @param attempt 1 after the first failure. */
export function isTransient(error: unknown, attempt: number): boolean {
  if (error instanceof WorktrailConnectionError) return true;
  if (!(error instanceof WorktrailApiError)) return false;
  if (error.code === 'idempotency_in_progress') return attempt < inProgressAttemptsMax;
  return transientStatuses.includes(error.status);
}

/** @param attempt 1 for the wait after the first failure. @param random in [0, 1). */
export function backOffMs(attempt: number, random: number): number {
  const full = Math.min(delayMsMax, baseDelayMs * 2 ** Math.min(attempt - 1, 16));
  return full / 2 + (full / 2) * random;
}

export function retryDelayMs(attempt: number, error: unknown, random: number): number {
  const asked = error instanceof WorktrailApiError ? error.retryAfterSeconds : null;
  const delayMs = backOffMs(attempt, random);
  return asked === null ? delayMs : Math.min(retryAfterMsMax, Math.max(delayMs, asked * 1000));
}
