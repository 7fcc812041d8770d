import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { RunnerDocument } from '@worktrail/contract/documents';
import { afterEach, expect, test } from 'vitest';
import { createRunnerRequests, leastOccupied } from './runner-requests.ts';

const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function runnerThat(answers: RequestListener): Promise<string> {
  const server = createServer(answers);
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function runner(id: string, url: string, more: Partial<RunnerDocument> = {}): RunnerDocument {
  return {
    ...{ id, url, hostQueue: '', startedAt: '', version: '', labels: {}, draining: false, unavailable: null },
    slots: { total: 4, used: 0, memoryMb: { total: null, used: 0 } },
    ...more,
  };
}

function requestsTo(...alive: RunnerDocument[]) {
  const find = async (id: string) => alive.find((one) => one.id === id);
  return createRunnerRequests({ find, list: async () => alive }, 'token');
}

const { signal } = new AbortController();
const get = { method: 'GET', path: 'things', signal } as const;

test('a request carries the token, its query and its body, and its answer is streamed', async () => {
  const url = await runnerThat((request, response) => {
    response.writeHead(200, { 'x-seen': `${request.method} ${request.url} ${request.headers.authorization}` });
    request.pipe(response);
  });
  const requests = requestsTo(runner('run-1', url));
  const answer = await requests.ask('run-1', { ...get, method: 'POST', query: { path: 'a/b c' }, json: { a: 1 } });
  expect(answer.headers.get('x-seen')).toBe('POST /internal/v1/things?path=a%2Fb+c Bearer token');
  expect(await new Response(answer.body).text()).toBe('{"a":1}');
});

test("a refusal keeps the runner's code; what no runner says is the runner's absence", async () => {
  const refusing = (status: number, body: string) =>
    runnerThat((_request, response) => response.writeHead(status).end(body));
  const ask = async (url: string) => requestsTo(runner('run-1', url)).ask('run-1', get);
  const busy = await refusing(409, '{"code":"session_busy","detail":"a command runs"}');
  await expect(ask(busy)).rejects.toMatchObject({ code: 'session_busy', message: 'a command runs' });
  for (const body of ['<html>', '{"code":"unauthenticated"}', '{"code":"other"}']) {
    const members = { part: 'sandbox-runner' };
    await expect(ask(await refusing(502, body))).rejects.toMatchObject({ code: 'dependency_unavailable', members });
  }
});

test('a runner that is gone, refuses the connection or does not answer in time is named', async () => {
  const silent = await runnerThat(() => undefined);
  const refused = runner('run-1', 'http://127.0.0.1:1');
  const absent = { code: 'dependency_unavailable', members: { part: 'sandbox-runner' } };
  await expect(requestsTo().ask('run-1', get)).rejects.toMatchObject(absent);
  await expect(requestsTo().askAny(null, get)).rejects.toMatchObject(absent);
  await expect(requestsTo(refused).ask('run-1', get)).rejects.toMatchObject(absent);
  const late = requestsTo(runner('run-1', silent)).ask('run-1', { ...get, timeoutMs: 50 });
  await expect(late).rejects.toMatchObject({ ...absent, message: expect.stringContaining('within 50 ms') });
});

test('the signal ends a request, and what the runner does for it', async () => {
  const closed = Promise.withResolvers<void>();
  const url = await runnerThat((_request, response) => {
    response.on('close', () => closed.resolve());
    response.write('first');
  });
  const leaving = new AbortController();
  const answer = await requestsTo(runner('run-1', url)).ask('run-1', { ...get, signal: leaving.signal });
  leaving.abort();
  await closed.promise;
  await expect(new Response(answer.body).text()).rejects.toThrow();
});

test('of any runner the least occupied one is asked, one that lacks something last', () => {
  const used = (count: number) => ({ slots: { total: 4, used: count, memoryMb: { total: null, used: 0 } } });
  const lacking = runner('lacking', '', { unavailable: { part: 'disk', detail: '' } });
  const draining = runner('draining', '', { draining: true });
  const busy = runner('busy', '', used(3));
  const idle = runner('idle', '', used(1));
  expect(leastOccupied([lacking, draining, busy, idle])?.id).toBe('idle');
  expect(leastOccupied([lacking, draining])?.id).toBe('draining');
  expect(leastOccupied([])).toBeUndefined();
});
