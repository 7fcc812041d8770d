// Which failures of a model may pass.

import { APICallError } from 'ai';
import { expect, it } from 'vitest';
import { isContextExceeded, modelFailure, retryAfterMs, waitToTell } from './model-failure.ts';
import { AnswerTooLarge } from './step-stream.ts';

function answered(statusCode: number, responseHeaders: Record<string, string> = {}) {
  return new APICallError({ message: 'no', url: 'http://x', requestBodyValues: {}, statusCode, responseHeaders });
}

it.each([400, 401, 403, 404, 413, 422])('%s is for good', (status) => {
  expect(modelFailure(answered(status), 0)).toMatchObject({ type: 'model_refused', retryAfterMs: null });
});

it.each([408, 429, 500, 502, 503, 529])('%s may pass', (status) => {
  expect(modelFailure(answered(status), 0).type).toBe('model_unavailable');
});

it('an answer that broke off may pass, although its status was good', () => {
  expect(modelFailure(answered(200), 0).type).toBe('model_unavailable');
});

it('what broke on the way may pass; an answer that is too large comes again', () => {
  expect(modelFailure(new TypeError('fetch failed'), 0).type).toBe('model_unavailable');
  expect(modelFailure(new AnswerTooLarge(), 0).type).toBe('model_refused');
});

it('Retry-After is followed, in seconds or as a date, within a bound', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');
  expect(modelFailure(answered(429, { 'retry-after': '7' }), now).retryAfterMs).toBe(7_000);
  expect(retryAfterMs('Thu, 01 Jan 2026 00:00:30 GMT', now)).toBe(30_000);
  expect(retryAfterMs('Thu, 01 Jan 2025 00:00:30 GMT', now)).toBe(0);
  expect(retryAfterMs('1e9', now)).toBe(600_000);
  expect(retryAfterMs('soon', now)).toBeNull();
  expect(retryAfterMs(undefined, now)).toBeNull();
});

it('who waits is told once it takes long: by the third attempt, or where the server wants the next one later than soon', () => {
  const busy = modelFailure(answered(503), 0);
  expect([1, 2, 3, 4, 12].map((attempt) => waitToTell(busy, attempt))).toEqual([
    ...[null, null, "the model's server answered 503: no. It is asked again"],
    ...[null, null],
  ]);
  const limited = (seconds: string) => modelFailure(answered(429, { 'retry-after': seconds }), 0);
  expect(waitToTell(limited('3'), 1)).toBeNull();
  expect(waitToTell(limited('500'), 1)).toBe("the model's server answered 429: no. It is asked again in 500 s");
  expect(waitToTell(limited('500'), 4)).not.toBeNull();
  expect(waitToTell(modelFailure(answered(401), 0), 3)).toBeNull();
});

it('what providers say when they were told too much is told from other refusals', () => {
  const said = (message: string, statusCode = 400, responseBody = '') =>
    isContextExceeded(new APICallError({ message, url: 'http://x', requestBodyValues: {}, statusCode, responseBody }));
  expect(said("This model's maximum context length is 8192 tokens.")).toBe(true);
  expect(said('no', 400, '{"error":{"code":"context_length_exceeded"}}')).toBe(true);
  expect(said('prompt is too long: 210000 tokens > 200000 maximum')).toBe(true);
  expect(said('The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).')).toBe(true);
  expect(said('too large', 413)).toBe(true);
  expect(said('invalid tool name')).toBe(false);
  expect(said('context length', 401)).toBe(false);
});
