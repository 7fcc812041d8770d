import { afterEach, describe, expect, test } from 'vitest';
import { WorktrailApiError, WorktrailConnectionError } from './api-error.ts';
import { type Answer, sendJson, sendProblem, startTestServer, type TestServer } from './test-server.ts';
import { createTransport } from './transport.ts';

const servers: TestServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function setUp(answer: Answer) {
  const server = await startTestServer(answer);
  servers.push(server);
  const waitsMs: number[] = [];
  const told: string[] = [];
  let keys = 0;
  const transport = createTransport({
    apiUrl: `${server.url}/`,
    apiKey: 'wt_key_secret',
    userAgent: 'test/1',
    fetch,
    wait: async (ms) => void waitsMs.push(ms),
    random: () => 0.5,
    newIdempotencyKey: () => `generated-${++keys}`,
    attemptsMax: 4,
    onStillRunning: (detail) => void told.push(detail),
  });
  return { server, transport, waitsMs, told };
}

async function errorOf(promise: Promise<unknown>): Promise<WorktrailApiError> {
  const error: unknown = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(WorktrailApiError);
  return error as WorktrailApiError;
}

describe('a request', () => {
  test('carries key, user agent, query without empty values, and JSON', async () => {
    const { server, transport } = await setUp((response) => sendJson(response, 201, { id: 'prj_1' }));
    const query = { limit: 5, types: ['a', 'b'], none: undefined, empty: [] };
    const answer = await transport.json<{ id: string }>('POST', '/v1/projects', { query, body: { name: 'ü' } });
    expect(answer.id).toBe('prj_1');
    const [request] = server.requests;
    expect(request!.path).toBe('/v1/projects?limit=5&types=a%2Cb');
    expect(request!.headers['authorization']).toBe('Bearer wt_key_secret');
    expect(request!.headers['user-agent']).toBe('test/1');
    expect(request!.headers['content-type']).toBe('application/json');
    expect(JSON.parse(request!.body)).toEqual({ name: 'ü' });
  });

  test('does not follow a redirect: the key would travel with it', async () => {
    const { server, transport } = await setUp((response) => {
      response.writeHead(307, { location: `${server.url}/elsewhere` }).end();
    });
    await expect(transport.json('PATCH', '/v1/x', { retry: false })).rejects.toBeInstanceOf(WorktrailConnectionError);
    expect(server.requests.map(({ path }) => path)).toEqual(['/v1/x']);
  });

  test('that its caller aborts throws the reason, and is not sent again', async () => {
    const abort = new AbortController();
    const { server, transport } = await setUp(() => abort.abort(new Error('enough')));
    await expect(transport.json('GET', '/v1/x', { signal: abort.signal })).rejects.toThrow('enough');
    expect(server.requests).toHaveLength(1);
  });
});

describe('a transient failure', () => {
  test('of a POST is retried with the same idempotency key', async () => {
    const { server, transport } = await setUp((response, _, count) =>
      count < 3 ? sendProblem(response, 503, 'dependency_unavailable') : sendJson(response, 201, { id: 'x' }),
    );
    await transport.json('POST', '/v1/x', { body: {} });
    expect(server.requests.map(({ headers }) => headers['idempotency-key'])).toEqual(Array(3).fill('generated-1'));
    await transport.json('POST', '/v1/x', { body: {}, idempotencyKey: 'mine' });
    expect(server.requests.at(-1)!.headers['idempotency-key']).toBe('mine');
  });

  test('is also a connection that is cut before, or within, the answer', async () => {
    const { server, transport } = await setUp((response, _, count) => {
      if (count === 1) return response.destroy();
      if (count === 2) {
        response.writeHead(200, { 'content-length': '100' }).write('{"a":');
        return setImmediate(() => response.destroy());
      }
      sendJson(response, 200, { a: 1 });
    });
    expect(await transport.json('GET', '/v1/x')).toEqual({ a: 1 });
    expect(server.requests).toHaveLength(3);
  });

  test('is thrown when the last attempt failed too', async () => {
    const { server, transport } = await setUp((response) => sendProblem(response, 503, 'dependency_unavailable'));
    const error = await errorOf(transport.json('GET', '/v1/x'));
    expect(error).toMatchObject({ status: 503, code: 'dependency_unavailable', retryable: true });
    expect(server.requests).toHaveLength(4);
  });

  test("is waited for as long as the server's Retry-After says, else with growing waits", async () => {
    const { transport, waitsMs } = await setUp((response, _, count) => {
      if (count <= 2) return sendProblem(response, 503, 'dependency_unavailable');
      if (count === 3) return sendProblem(response, 503, 'dependency_unavailable', { 'retry-after': '7' });
      sendJson(response, 200, {});
    });
    await transport.json('GET', '/v1/x');
    expect(waitsMs).toEqual([150, 300, 7000]);
  });

  test('of a PATCH with If-Match is not retried: the first may have changed the ETag', async () => {
    const { server, transport } = await setUp((response) => sendProblem(response, 503, 'dependency_unavailable'));
    await errorOf(transport.json('PATCH', '/v1/x', { body: {}, headers: { 'if-match': '"a"' } }));
    expect(server.requests).toHaveLength(1);
  });

  test('of a DELETE is retried, and not finding it any more means done', async () => {
    const { transport } = await setUp((response, _, count) =>
      count === 1 ? response.destroy() : sendProblem(response, 404, 'not_found'),
    );
    await expect(transport.send('DELETE', '/v1/x')).resolves.toBeUndefined();
  });

  test('is not that something takes longer than a request waits: it is asked for under its key until it has ended', async () => {
    const { server, transport, told } = await setUp((response, _, count) =>
      count <= 9 ? sendProblem(response, 503, 'still_running') : sendJson(response, 200, { etag: '"x"' }),
    );
    const put = { takesKey: true as const, headers: { 'if-match': '"a"' } };
    expect(await transport.json('PUT', '/v1/x', put)).toEqual({ etag: '"x"' });
    expect(server.requests.map(({ headers }) => headers['idempotency-key'])).toEqual(Array(10).fill('generated-1'));
    expect(told).toHaveLength(9);
  });

  test('while the first request with the key is not done is retried', async () => {
    const { transport } = await setUp((response, _, count) =>
      count === 1 ? sendProblem(response, 409, 'idempotency_in_progress') : sendJson(response, 200, { id: 'x' }),
    );
    expect(await transport.json('POST', '/v1/x')).toEqual({ id: 'x' });
  });
});

describe('a refusal', () => {
  test('is thrown at once with code, fields and request id', async () => {
    const errors = [{ path: 'repository.url', message: 'is missing' }];
    const { server, transport } = await setUp((response) =>
      sendProblem(response, 422, 'validation_failed', { 'x-request-id': 'req-1' }, { errors }),
    );
    const error = await errorOf(transport.json('POST', '/v1/projects', { body: {} }));
    expect(error).toMatchObject({
      status: 422,
      code: 'validation_failed',
      errors,
      requestId: 'req-1',
      retryable: false,
    });
    expect(error.detail).toBe('detail of validation_failed');
    expect(server.requests).toHaveLength(1);
  });

  test('that names a limit is not retried, but says that it can be', async () => {
    const { server, transport } = await setUp((response) =>
      sendProblem(response, 429, 'live_commands_exceeded', { 'retry-after': '3' }),
    );
    const error = await errorOf(transport.json('POST', '/v1/x', { body: {} }));
    expect(error).toMatchObject({ retryable: true, retryAfterSeconds: 3 });
    expect(server.requests).toHaveLength(1);
  });

  test('without a problem body still has a status and a code', async () => {
    const { transport } = await setUp((response) => response.writeHead(418).end('<html>'));
    expect(await errorOf(transport.json('GET', '/v1/x'))).toMatchObject({ status: 418, code: 'http_418' });
  });

  test('is also an answer that is not JSON', async () => {
    const { server, transport } = await setUp((response) => response.writeHead(200).end('<html>'));
    const error = await errorOf(transport.json('GET', '/v1/x'));
    expect(error.detail).toMatch(/is this the address of Worktrail's API/);
    expect(server.requests).toHaveLength(1);
  });
});

test('an address where nothing listens is named with the reason', async () => {
  const { server, transport } = await setUp(() => undefined);
  await server.close();
  const error: unknown = await transport.json('GET', '/v1/x').catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(WorktrailConnectionError);
  expect((error as Error).message).toContain(server.url);
  expect((error as Error).message).toContain('ECONNREFUSED');
});
