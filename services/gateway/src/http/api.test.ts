import { z } from '@hono/zod-openapi';
import { WorktrailError } from '@worktrail/contract/errors';
import { isId } from '@worktrail/contract/ids';
import { createLogger } from '@worktrail/runtime/log';
import { createMetrics } from '@worktrail/runtime/metrics';
import { expect, test } from 'vitest';
import type { Scope } from '../authorize.ts';
import type { Idempotency } from '../idempotency.ts';
import { labels, name, variables } from '../text.ts';
import { createApi } from './api.ts';
import { createHttpMetrics } from './http-metrics.ts';
import { json } from './reply.ts';

const notUsed: Idempotency = { run: () => Promise.reject(new Error('no key was given')) };

function app(scopes: Scope[] = ['read', 'run', 'approve', 'admin']) {
  const principal = { kind: 'user' as const, id: 'prn_1', organizationId: 'org_1', keyId: 'key_1', scopes };
  const api = createApi({
    gate: {
      authenticate: async (authorization) => {
        if (authorization === 'Bearer right') return principal;
        throw new WorktrailError('unauthenticated', 'wrong key');
      },
      authenticateOperator: () => principal,
      isOperator: () => false,
    },
    idempotency: notUsed,
    metrics: createHttpMetrics(createMetrics('test')),
    log: createLogger({ service: 'test', level: 'silent' }),
  });
  const spec = { tag: 'Things', summary: 'A thing', answers: { 200: { description: 'It' } } };
  const body = z.strictObject({
    name,
    size: z.strictObject({ width: z.int().positive() }).optional(),
    env: variables.optional(),
    labels: labels.optional(),
  });
  api.route({ ...spec, method: 'post', path: '/v1/things', action: 'project.create', body }, async (request) =>
    json(200, { body: request.body, id: request.draw.id('task') }),
  );
  const params = z.object({ thingId: z.string().refine((value) => isId(value, 'task')) });
  api.route(
    { ...spec, method: 'get', path: '/v1/things/{thingId}', action: 'project.read', params },
    async (request) => {
      if (request.params.thingId.endsWith('0')) throw new Error('a secret cause');
      return json(200, request.params);
    },
  );
  const path = z.object({ path: z.string() });
  api.route(
    { ...spec, method: 'get', path: '/v1/files/{path}', takesSlashes: true, action: 'project.read', params: path },
    async ({ params: given }) => json(200, given),
  );
  api.route({ ...spec, method: 'get', path: '/v1/git', action: 'git.read', orPassword: true }, async () =>
    json(200, {}),
  );
  api.route({ ...spec, method: 'get', path: '/v1/feed', action: 'project.read' }, async () => ({
    status: 200,
    body: new ReadableStream<Uint8Array>({ cancel: () => void (canceledFeeds += 1) }, { highWaterMark: 0 }),
  }));
  return api.app;
}

let canceledFeeds = 0;

const post = (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
  app().request('/v1/things', { method: 'POST', body, headers: { authorization: 'Bearer right', ...headers } });

async function problem(response: Response | Promise<Response>) {
  const answer = await response;
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
  expect(answer.headers.get('x-request-id')).toMatch(/./);
  const document = (await answer.json()) as Record<string, unknown>;
  expect(document).toMatchObject({ status: answer.status, instance: answer.headers.get('x-request-id') });
  return { ...document, headers: answer.headers } as Record<string, unknown> & { headers: Headers };
}

test('a valid request is answered, with a request id of ours or the client’s own', async () => {
  const answer = await post('{"name":"x","size":{"width":3}}', { 'x-request-id': 'mine-1' });
  expect(answer.headers.get('x-request-id')).toBe('mine-1');
  expect(await answer.json()).toMatchObject({
    body: { name: 'x', size: { width: 3 } },
    id: expect.stringMatching(/^tsk_/),
  });
});

test('every field that is wrong is named by its path', async () => {
  const { status, code, errors } = await problem(post('{"size":{"width":-1,"depth":2},"colour":"red"}'));
  expect({ status, code }).toEqual({ status: 422, code: 'validation_failed' });
  const paths = (errors as { path: string }[]).map(({ path }) => path).toSorted();
  expect(paths).toEqual(['colour', 'name', 'size.depth', 'size.width']);
});

test.each(['env', 'labels'])('a name in %s that no schema sees is refused by its path', async (field) => {
  const { status, errors } = await problem(post(`{"name":"x","${field}":{"a":"1","__proto__":"x"}}`));
  expect({ status, errors }).toMatchObject({ status: 422, errors: [{ path: `${field}.__proto__` }] });
});

test.each([
  ['{"name":', 400, 'malformed_request'],
  ['[]', 422, 'validation_failed'],
  ['null', 422, 'validation_failed'],
  ['{"name":"\\ud800"}', 422, 'validation_failed'],
  ['{"name":"a\\u0000b"}', 422, 'validation_failed'],
  ['{"name":"a\\nb"}', 422, 'validation_failed'],
  ['{"__proto__":{"x":1},"name":"x"}', 422, 'validation_failed'],
  [`{"name":"${'x'.repeat(201)}"}`, 422, 'validation_failed'],
  [`{"name":"${'x'.repeat(1024 * 1024)}"}`, 413, 'body_too_large'],
  [new Uint8Array([0x7b, 0xff, 0x7d]), 400, 'malformed_request'],
  ['['.repeat(100_000), 400, 'malformed_request'],
  [`${'['.repeat(500_000)}${']'.repeat(500_000)}`, 422, 'validation_failed'],
])('a body like %.40j is refused', async (body, status, code) => {
  expect(await problem(post(body))).toMatchObject({ status, code });
});

test('a body without a declared length is refused as soon as it passes the bound', async () => {
  let sent = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      sent += 1;
      controller.enqueue(new Uint8Array(65_536));
    },
  });
  const request = new Request('http://localhost/v1/things', {
    method: 'POST',
    body: endless,
    headers: { authorization: 'Bearer right', 'transfer-encoding': 'chunked' },
    duplex: 'half',
  } as RequestInit);
  expect(await problem(app().request(request))).toMatchObject({ status: 413, code: 'body_too_large' });
  expect(sent).toBeLessThan(40);
});

test('without a key nothing is told of the request', async () => {
  const { status, code, headers } = await problem(app().request('/v1/things', { method: 'POST', body: '{' }));
  expect({ status, code }).toEqual({ status: 401, code: 'unauthenticated' });
  expect(headers.get('www-authenticate')).toMatch(/^Bearer/);
});

test('a missing scope is 403 and named', async () => {
  const request = app(['read']).request('/v1/things', {
    method: 'POST',
    body: '{"name":"x"}',
    headers: { authorization: 'Bearer right' },
  });
  expect(await problem(request)).toMatchObject({
    status: 403,
    code: 'scope_missing',
    detail: expect.stringMatching(/admin/),
  });
});

const get = (path: string, method = 'GET') =>
  app().request(path, { method, headers: { authorization: 'Bearer right' } });

test.each(['/v1/things/none', '/v1/things/..%2f..', '/v1/things/%ff', '/v1/nothing', '/', '/v1/things/a/b'])(
  '%s is 404',
  async (path) => {
    expect(await problem(get(path))).toMatchObject({ status: 404, code: 'not_found' });
  },
);

test('another method of a path that exists is 405 and told which are there', async () => {
  const { status, code, headers } = await problem(get('/v1/things', 'DELETE'));
  expect({ status, code, allow: headers.get('allow') }).toEqual({
    status: 405,
    code: 'method_not_allowed',
    allow: 'POST',
  });
});

test('an unexpected error is 500 and keeps its cause to itself', async () => {
  const { detail, ...rest } = await problem(get('/v1/things/tsk_01h455vb4pex5vsknk084sn020'));
  expect(rest).toMatchObject({ status: 500, code: 'internal' });
  expect(detail).not.toContain('secret');
});

test.each(['', ' ', 'ü', 'x'.repeat(256)])('the idempotency key %.20j is refused by name', async (key) => {
  const answer = await post('{"name":"x"}', { 'idempotency-key': key === 'ü' ? '\u00fc' : key });
  expect(await problem(answer)).toMatchObject({ status: 422, errors: [{ path: 'Idempotency-Key' }] });
});

test('an answer without end ends at once for who asks for its head only', async () => {
  const before = canceledFeeds;
  const answer = await get('/v1/feed', 'HEAD');
  expect(answer.status).toBe(200);
  expect(canceledFeeds).toBe(before + 1);
});

test('a parameter that takes slashes is the rest of the path, decoded', async () => {
  const get = async (path: string, method = 'GET') =>
    app().request(path, { method, headers: { authorization: 'Bearer right' } });
  const decoded = async (path: string) => ((await (await get(`/v1/files/${path}`)).json()) as { path: string }).path;
  expect(await decoded('README.md')).toBe('README.md');
  expect(await decoded('src/a%20b/%C3%A9%23?x=1')).toBe('src/a b/é#');
  expect(await decoded('a%2F..%2Fb')).toBe('a/../b');
  expect((await get('/v1/files/src/a', 'DELETE')).status).toBe(405);
  expect((await get('/v1/files/')).status).toBe(404);
});

test('a name with a line break is a name; what is not UTF-8, or not encoded, is refused by name', async () => {
  const authorized = { authorization: 'Bearer right' };
  const given = await app().request('/v1/files/a%0Ab/c', { headers: authorized });
  expect(await given.json()).toEqual({ path: 'a\nb/c' });
  for (const path of ['%ff%fe', 'x%', '%zz/a']) {
    const response = await app().request(`/v1/files/${path}`, { headers: authorized });
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({ errors: [{ path: 'path' }] });
  }
});

test('git is told in plain text why it is refused, which is all that it shows', async () => {
  const headers = { 'user-agent': 'git/2.39.5' };
  const response = await app().request('/v1/git', { headers });
  expect(response.status).toBe(401);
  expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8');
  expect(response.headers.get('www-authenticate')).toContain('Basic');
  expect(await response.text()).toBe('wrong key\n');
  expect((await app().request('/v1/feed', { headers })).headers.get('content-type')).toContain('json');
});

test('where a password will do, the key is taken as one with any user name, and a refusal asks for it', async () => {
  const get = (authorization?: string, path = '/v1/git') =>
    app().request(path, { headers: authorization === undefined ? {} : { authorization } });
  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
  for (const shown of ['Bearer right', basic('anyone:right'), basic(':right')])
    expect((await get(shown)).status).toBe(200);
  for (const shown of [
    undefined,
    basic('anyone:wrong'),
    basic('right'),
    basic('right:'),
    'Basic !',
    basic('a:b:right'),
  ]) {
    const answer = await get(shown);
    expect(answer.status, shown).toBe(401);
    expect(answer.headers.get('www-authenticate')).toBe('Basic realm="worktrail"');
  }
  expect((await get(basic('anyone:right'), '/v1/feed')).status).toBe(401);
});
