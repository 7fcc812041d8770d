import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WorktrailError } from '@worktrail/contract/errors';
import { createLogger } from '@worktrail/runtime/log';
import { afterEach, expect, test } from 'vitest';
import { answerJson, createRequestRouter, type RunnerRoute, readJson } from './request-router.ts';

const token = 'the-internal-token-of-this-test-of-the-router';
const log = createLogger({ service: 'test', level: 'silent' });
let server: Server | undefined;

afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

async function serve(routes: RunnerRoute[], requestsMax?: number) {
  const stopping = new AbortController();
  const router = createRequestRouter(routes, {
    token,
    log,
    stopping: stopping.signal,
    ...(requestsMax && { requestsMax }),
  });
  server = createServer((request, response) => {
    if (!router(request, response)) response.writeHead(418).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return (method: string, path: string, init: RequestInit = {}) =>
    fetch(`http://127.0.0.1:${port}${path}`, { method, headers: { authorization: `Bearer ${token}` }, ...init });
}

const echo: RunnerRoute = {
  method: 'POST',
  path: '/internal/v1/sessions/{sessionId}/echo',
  handle: async ({ params, query, request, response }) => {
    const body = await readJson(request, 100);
    answerJson(response, 200, { params, path: query.get('path'), body });
  },
};

test('a request is taken to the route of its method and path, with both decoded', async () => {
  const ask = await serve([echo]);
  const response = await ask('POST', '/internal/v1/sessions/a%20b/echo?path=x%2Fy%C3%A9', { body: '{"a":1}' });
  expect(await response.json()).toEqual({ params: { sessionId: 'a b' }, path: 'x/yé', body: { a: 1 } });
  expect((await ask('GET', '/healthz')).status).toBe(418);
  expect(await (await ask('GET', '/internal/v1/sessions/a/echo')).json()).toMatchObject({ code: 'method_not_allowed' });
  expect(await (await ask('POST', '/internal/v1/other')).json()).toMatchObject({ code: 'not_found' });
  expect(await (await ask('POST', '/internal/v1/sessions/%ff/echo')).json()).toMatchObject({
    code: 'malformed_request',
  });
});

test('who does not show the token is told nothing', async () => {
  const ask = await serve([echo]);
  for (const path of ['/internal/v1/sessions/a/echo', '/internal/v1/nothing']) {
    const response = await ask('POST', path, { headers: { authorization: 'Bearer wrong' }, body: '{}' });
    expect(response.status).toBe(401);
  }
});

test('what fails is told with its code; a body over its bound or malformed is refused', async () => {
  const failing = (path: string, error: unknown): RunnerRoute => ({
    method: 'GET',
    path: `/internal/v1/${path}`,
    handle: () => Promise.reject(error),
  });
  const ask = await serve([
    echo,
    failing('busy', new WorktrailError('session_busy', 'a command runs')),
    failing('odd', new Error('something odd')),
  ]);
  const busy = await ask('GET', '/internal/v1/busy');
  expect([busy.status, await busy.json()]).toEqual([409, { code: 'session_busy', detail: 'a command runs' }]);
  const odd = await ask('GET', '/internal/v1/odd');
  expect([odd.status, await odd.json()]).toMatchObject([500, { code: 'internal' }]);
  const path = '/internal/v1/sessions/a/echo';
  expect((await ask('POST', path, { body: 'x'.repeat(200) })).status).toBe(413);
  expect((await ask('POST', path, { body: '{' })).status).toBe(400);
});

test('an answer that fails half way is cut off, not ended', async () => {
  const ask = await serve([
    {
      method: 'GET',
      path: '/internal/v1/half',
      handle: async ({ response }) => {
        response.writeHead(200);
        response.write('half');
        await new Promise((resolve) => setImmediate(resolve));
        throw new Error('the rest is gone');
      },
    },
  ]);
  const response = await ask('GET', '/internal/v1/half');
  await expect(response.text()).rejects.toThrow();
});

test('a handler hears that its asker has gone, and no more are answered at once than the bound', async () => {
  let heard: () => void = () => undefined;
  const aborted = new Promise<void>((resolve) => {
    heard = resolve;
  });
  let begun: () => void = () => undefined;
  const underway = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const waiting: RunnerRoute = {
    method: 'GET',
    path: '/internal/v1/wait',
    handle: async ({ signal }) => {
      begun();
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      heard();
    },
  };
  const ask = await serve([waiting], 1);
  const leaving = new AbortController();
  const left = ask('GET', '/internal/v1/wait', { signal: leaving.signal }).catch(() => undefined);
  await underway;
  expect((await ask('GET', '/internal/v1/wait')).status).toBe(429);
  leaving.abort();
  await Promise.all([left, aborted]);
});
