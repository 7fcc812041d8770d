// Why a call of a model failed, and whether trying again can help.
//
// Too many requests, overload and a connection that broke may pass; a key that is wrong, a request that is not taken and content that is
// refused stay so.

import { ApplicationFailure } from '@temporalio/common';
import { APICallError, RetryError } from 'ai';
import { AnswerTooLarge } from './step-stream.ts';

export const modelRefused = 'model_refused';
export const modelUnavailable = 'model_unavailable';

const retryAfterMsMax = 10 * 60_000;
const detailLengthMax = 300;

export interface ModelFailure {
  type: typeof modelRefused | typeof modelUnavailable;
  detail: string;
  /** null: as the retry policy has it. */
  retryAfterMs: number | null;
}

export function modelFailure(error: unknown, nowMs: number): ModelFailure {
  if (error instanceof AnswerTooLarge) return { type: modelRefused, detail: error.message, retryAfterMs: null };
  if (RetryError.isInstance(error)) return modelFailure(error.lastError, nowMs);
  if (!APICallError.isInstance(error)) {
    return { type: modelUnavailable, detail: `the model could not be reached: ${short(error)}`, retryAfterMs: null };
  }
  const { statusCode, responseHeaders } = error;
  const detail = `the model's server answered ${statusCode ?? 'nothing'}: ${short(error)}`;
  const mayPass = statusCode === undefined || statusCode === 408 || statusCode === 429 || statusCode >= 500;
  if (!mayPass) return { type: modelRefused, detail, retryAfterMs: null };
  return { type: modelUnavailable, detail, retryAfterMs: retryAfterMs(responseHeaders?.['retry-after'], nowMs) };
}

/** Seconds, or a date of HTTP; null: neither. */
export function retryAfterMs(header: string | undefined, nowMs: number): number | null {
  if (header === undefined) return null;
  const seconds = Number(header);
  const ms = Number.isFinite(seconds) ? seconds * 1_000 : Date.parse(header) - nowMs;
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), retryAfterMsMax) : null;
}

export function toApplicationFailure({ type, detail, retryAfterMs: delayMs }: ModelFailure): ApplicationFailure {
  return ApplicationFailure.create({
    type,
    message: detail,
    nonRetryable: type === modelRefused,
    ...(delayMs !== null && { nextRetryDelay: delayMs }),
  });
}

function short(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.slice(0, detailLengthMax);
}
