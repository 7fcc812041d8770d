// Which failures of a model may pass.

import { APICallError } from 'ai';
import { expect, it } from 'vitest';
import { modelFailure, retryAfterMs } from './model-failure.ts';
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
