import { expect, test } from 'vitest';
import { createHostFetch, type Fetch, type HostFailure } from './host-fetch.ts';

const token = 'secret-token';
const nowMs = Date.parse('2026-01-01T00:00:00Z');

function call(fetch: Fetch, options: { timeoutMs?: number; signal?: AbortSignal; method?: string } = {}) {
  const { timeoutMs = 1_000, signal = new AbortController().signal, method = 'GET' } = options;
  const of = { apiUrl: 'https://api.example.org/v3', token, fetch, signal, timeoutMs, nowMs: () => nowMs };
  return createHostFetch(of)('https://api.example.org/v3/pulls', { method, headers: { authorization: token } });
}
const answering = (status: number, headers: Record<string, string> = {}, body = '') =>
  call(async () => new Response(body, { status, headers }));
const failure = (of: Partial<HostFailure>) => expect.objectContaining({ name: 'HostFailure', ...of });

test('a good answer is passed on', async () => {
  expect(await (await answering(200, { 'content-type': 'application/json' }, '{"a":1}')).json()).toEqual({ a: 1 });
});

test('how long to wait is taken from a number, a date, or a used-up limit, and is bounded', async () => {
  const wait = (status: number, headers: Record<string, string>, retryAfterMs: number | null) =>
    expect(answering(status, headers)).rejects.toEqual(failure({ retryAfterMs, isFinal: false }));
  await wait(429, { 'retry-after': '30' }, 30_000);
  await wait(503, { 'retry-after': 'Thu, 01 Jan 2026 00:01:00 GMT' }, 60_000);
  await wait(429, { 'retry-after': '999999' }, 3_600_000);
  await wait(429, { 'retry-after': '-5' }, 1_000);
  await wait(403, { 'retry-after': '60' }, 60_000);
  await wait(403, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(nowMs / 1000 + 90) }, 90_000);
  await wait(429, { 'ratelimit-remaining': '0', 'ratelimit-reset': String(nowMs / 1000 + 90) }, 90_000);
  await wait(429, {}, null);
  await wait(500, {}, null);
  await expect(answering(403, { 'x-ratelimit-remaining': '4999' })).rejects.toEqual(failure({ isFinal: true }));
});

test('what an answer says is shown in one line, in bounds, and without the token', async () => {
  const body = JSON.stringify({ message: `bad\n${token}`, errors: [{ message: 'first' }, { code: 'x' }, 'third'] });
  const message = 'the host answers 422: bad ***; first; {"code":"x"}; third';
  await expect(answering(422, {}, body)).rejects.toEqual(failure({ message, isFinal: true }));
  await expect(answering(400, {}, '<html>')).rejects.toEqual(failure({ message: 'the host answers 400' }));
  const long = await answering(400, {}, JSON.stringify({ message: 'x'.repeat(10_000) })).catch(String);
  expect(String(long).length).toBeLessThan(400);
});

test('a redirect is followed on the same server only, and a request that changes something only where it is to be repeated', async () => {
  const asked: string[] = [];
  const redirecting = (status: number, location: string, method = 'GET') => {
    asked.length = 0;
    return call(
      async (url) => {
        asked.push(url);
        return asked.length > 1 ? new Response('{}') : new Response('', { status, headers: { location } });
      },
      { method },
    );
  };
  expect((await redirecting(301, '/v3/repositories/7/pulls')).status).toBe(200);
  expect(asked[1]).toBe('https://api.example.org/v3/repositories/7/pulls');
  expect((await redirecting(307, '/v3/moved', 'POST')).status).toBe(200);
  await expect(redirecting(301, '/v3/moved', 'POST')).rejects.toEqual(failure({ status: 301 }));
  for (const elsewhere of ['https://evil.example.org/', 'http://api.example.org/v3', 'https://api.example.org:444/']) {
    await expect(redirecting(307, elsewhere)).rejects.toEqual(failure({ isFinal: true }));
    expect(asked).toHaveLength(1);
  }
});

test('an answer that does not come, is cut, or is too large is a failure; an end of the work is none', async () => {
  const never: Fetch = async (_, { signal }) => {
    signal!.throwIfAborted();
    return new Promise((_resolve, reject) => signal!.addEventListener('abort', () => reject(signal!.reason as Error)));
  };
  await expect(call(never, { timeoutMs: 10 })).rejects.toEqual(failure({ isFinal: false, status: null }));
  const cut: Fetch = async () => {
    throw new TypeError('fetch failed', { cause: Object.assign(new Error('reset'), { code: 'ECONNRESET' }) });
  };
  const message = 'https://api.example.org does not answer: ECONNRESET';
  await expect(call(cut)).rejects.toEqual(failure({ message }));
  const large: Fetch = async () => new Response(Buffer.alloc(9 * 1024 ** 2));
  await expect(call(large)).rejects.toEqual(failure({ isFinal: true }));
  const ended = AbortSignal.abort(new Error('the work is over'));
  await expect(call(never, { signal: ended })).rejects.toThrow('the work is over');
});
