// Why a call of a model failed, and whether trying again can help.
//
// Too many requests, overload and a connection that broke may pass; a key that is wrong, a request that is not taken and content that is
// refused stay so.

import { ApplicationFailure } from '@temporalio/common';
import { APICallError, JSONParseError, RetryError, StreamProviderError, TypeValidationError } from 'ai';
import { DoesNotFit } from './compaction.ts';
import { modelRefused, type modelRepeats, modelUnavailable } from './model-step-messages.ts';
import { AnswerTooLarge } from './step-stream.ts';

const retryAfterMsMax = 10 * 60_000;
/** A wait of more than this is told. */
const soonMs = 5_000;
/** By then it has waited for some seconds, whatever the server says. */
const tellingAttempt = 3;
const detailLengthMax = 300;
const causesMax = 5;

export interface ModelFailure {
  type: typeof modelRefused | typeof modelUnavailable | typeof modelRepeats;
  detail: string;
  /** null: as the retry policy has it. */
  retryAfterMs: number | null;
}

export function modelFailure(error: unknown, nowMs: number): ModelFailure {
  if (RetryError.isInstance(error)) return modelFailure(error.lastError, nowMs);
  const known = causesOf(error).find((cause) => cause instanceof AnswerTooLarge || cause instanceof DoesNotFit);
  if (known) return { type: modelRefused, detail: (known as Error).message, retryAfterMs: null };
  const isSaid = APICallError.isInstance(error) || StreamProviderError.isInstance(error);
  // An answer that broke off is one with its good status.
  if (!isSaid || (error.statusCode ?? 500) < 400) {
    return { type: modelUnavailable, detail: `the model could not be reached: ${short(error)}`, retryAfterMs: null };
  }
  const { statusCode } = error;
  const responseHeaders = 'responseHeaders' in error ? error.responseHeaders : undefined;
  const detail = `the model's server answered ${statusCode ?? 'nothing'}: ${short(error)}`;
  const mayPass = statusCode === undefined || statusCode === 408 || statusCode === 429 || statusCode >= 500;
  if (!mayPass || (statusCode === 429 && isUnpaid(error))) return { type: modelRefused, detail, retryAfterMs: null };
  return { type: modelUnavailable, detail, retryAfterMs: retryAfterMs(responseHeaders?.['retry-after'], nowMs) };
}

/** OpenAI says 429 for that too, and no waiting mends it. */
function isUnpaid({ data }: { data?: unknown }): boolean {
  return JSON.stringify(data ?? null).includes('"insufficient_quota"');
}

/** What is said to who waits for the model; null: it is soon asked again, or has been said, or is over. */
export function waitToTell({ type, detail, retryAfterMs: ms }: ModelFailure, attempt: number): string | null {
  const isLate = ms !== null && ms > soonMs;
  if (type !== modelUnavailable || !(isLate || attempt === tellingAttempt)) return null;
  return `${detail}. It is asked again${isLate ? ` in ${Math.ceil(ms / 1_000)} s` : ''}`;
}

/** What it answered is not what a model answers. */
export function isUnreadable(error: unknown): boolean {
  const kinds = [JSONParseError, TypeValidationError];
  return causesOf(error).some((cause) => kinds.some((kind) => kind.isInstance(cause)));
}

/** What it was told is more than the model takes in. */
export function isContextExceeded(error: unknown): boolean {
  if (RetryError.isInstance(error)) return isContextExceeded(error.lastError);
  if (!APICallError.isInstance(error)) return false;
  if (error.statusCode === 413) return true;
  if (error.statusCode !== 400 && error.statusCode !== 422) return false;
  const said = `${error.message} ${(error.responseBody ?? '').slice(0, 4_096)}`;
  return /context[_ ](length|window)|maximum context|prompt is too long|too many (input )?tokens|token count.*exceeds/i.test(
    said,
  );
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
    nonRetryable: type !== modelUnavailable,
    ...(delayMs !== null && { nextRetryDelay: delayMs }),
  });
}

function causesOf(error: unknown): unknown[] {
  const causes = [error];
  for (let at = error; at instanceof Error && at.cause !== undefined && causes.length < causesMax; at = at.cause) {
    causes.push(at.cause);
  }
  return causes;
}

function short(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.slice(0, detailLengthMax).toWellFormed();
}
