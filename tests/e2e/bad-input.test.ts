import { execFile } from 'node:child_process';
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import Docker from 'dockerode';
import { beforeAll, expect, inject, test } from 'vitest';
import { createApi } from './api.ts';
import { makeRepository } from './repository.ts';

const api = createApi(inject('apiUrl'), inject('apiKey'));
const root = inject('repositoryRoot');
let projectId: string;
let sessionId: string;
let repositoryPath: string;

beforeAll(async () => {
  repositoryPath = (await makeRepository(join(root, 'bad-input'), 5)).path;
  projectId = (await api.make('/v1/projects', { name: 'bad input', repository: { url: repositoryPath } })).id;
  sessionId = (await api.make(`/v1/projects/${projectId}/sessions?waitSeconds=280`, {})).id;
});

const unknownCommand = 'cmd_01jd0000000000000000000000';
const project = (fields: object) => ({ name: 'p', repository: { url: repositoryPath }, ...fields });

const refused: [string, () => ReturnType<typeof api.post>, number, string, string?][] = [
  ['an unknown field', () => api.post('/v1/projects', project({ colour: 'red' })), 422, 'validation_failed', 'colour'],
  ['a wrong type', () => api.post('/v1/projects', project({ name: 7 })), 422, 'validation_failed', 'name'],
  [
    'an over-long name',
    () => api.post('/v1/projects', project({ name: 'x'.repeat(5_000) })),
    422,
    'validation_failed',
    'name',
  ],
  ['a missing field', () => api.post('/v1/projects', { name: 'p' }), 422, 'validation_failed', 'repository'],
  [
    'JSON that is none',
    () => api.request('POST', '/v1/projects', '{"name":', { 'content-type': 'application/json' }),
    400,
    'malformed_request',
  ],
  [
    'a path outside the allowed roots',
    () => api.post('/v1/projects', project({ repository: { url: '/etc' } })),
    422,
    'repository_not_allowed',
    'repository.url',
  ],
  [
    'a state directory',
    () => api.post('/v1/projects', project({ repository: { url: inject('stateDirectory') } })),
    422,
    'repository_not_allowed',
    'repository.url',
  ],
  [
    'a url scheme nobody speaks',
    () => api.post('/v1/projects', project({ repository: { url: 'ext::sh -c id' } })),
    422,
    'validation_failed',
    'repository.url',
  ],
  [
    'a package name that is an option',
    () => api.post('/v1/projects', project({ environment: { packages: ['--help'] } })),
    422,
    'validation_failed',
    'environment.packages.0',
  ],
  [
    'memory over the ceiling',
    () => api.post('/v1/projects', project({ environment: { resources: { memoryMb: 10_000_000 } } })),
    422,
    'validation_failed',
    'environment.resources.memoryMb',
  ],
  [
    'input for a command that does not exist',
    () => api.request('POST', `/v1/sessions/${sessionId}/commands/${unknownCommand}/stdin`),
    404,
    'not_found',
  ],
  [
    'an offset that no output reaches',
    () => api.get(`/v1/sessions/${sessionId}/commands/${unknownCommand}/output?offset=${Number.MAX_SAFE_INTEGER}`),
    422,
    'validation_failed',
    'offset',
  ],
  [
    'an over-long cursor',
    () => api.get(`/v1/sessions/${sessionId}/events?after=${'x'.repeat(500)}`),
    400,
    'cursor_invalid',
  ],
  [
    'processor time that no container can have',
    () => api.post('/v1/projects', project({ environment: { resources: { cpus: 0.001 } } })),
    422,
    'validation_failed',
    'environment.resources.cpus',
  ],
  [
    'memory that no container can have',
    () => api.post('/v1/projects', project({ environment: { resources: { memoryMb: 1 } } })),
    422,
    'validation_failed',
    'environment.resources.memoryMb',
  ],
  [
    'a malformed base ref',
    () => api.post(`/v1/projects/${projectId}/sessions`, { baseRef: '-x..y' }),
    422,
    'validation_failed',
    'baseRef',
  ],
  [
    'a command over 128 KiB',
    () => api.post(`/v1/sessions/${sessionId}/commands`, { command: 'x'.repeat(131_073) }),
    422,
    'validation_failed',
    'command',
  ],
  [
    'a working directory outside',
    () => api.post(`/v1/sessions/${sessionId}/commands`, { command: 'true', cwd: '../..' }),
    422,
    'validation_failed',
    'cwd',
  ],
  [
    'an absolute working directory',
    () => api.post(`/v1/sessions/${sessionId}/commands`, { command: 'true', cwd: '/etc' }),
    422,
    'validation_failed',
    'cwd',
  ],
  [
    'a timeout below zero',
    () => api.post(`/v1/sessions/${sessionId}/commands`, { command: 'true', timeoutSeconds: -1 }),
    422,
    'validation_failed',
    'timeoutSeconds',
  ],
  [
    'a wait over its maximum',
    () => api.post(`/v1/sessions/${sessionId}/commands?waitSeconds=301`, { command: 'true' }),
    422,
    'validation_failed',
    'waitSeconds',
  ],
  ['a limit over its maximum', () => api.get('/v1/projects?limit=201'), 422, 'validation_failed', 'limit'],
  [
    'a body over its limit',
    () => api.post('/v1/projects', project({ name: 'x'.repeat(2_000_000) })),
    413,
    'body_too_large',
  ],
  ['an unknown session', () => api.get('/v1/sessions/ses_01h455vb4pex5vsknk084sn02q'), 404, 'not_found'],
  ['an id that is none', () => api.get('/v1/sessions/..%2f..%2fetc'), 404, 'not_found'],
  [
    'an unknown command',
    () => api.get(`/v1/sessions/${sessionId}/commands/cmd_01h455vb4pex5vsknk084sn02q`),
    404,
    'not_found',
  ],
  ['an unknown path', () => api.get('/v1/nothing'), 404, 'not_found'],
  ['a method that is not there', () => api.request('DELETE', '/v1/me'), 405, 'method_not_allowed'],
  ['no key', () => createApi(api.url, '').get('/v1/me'), 401, 'unauthenticated'],
  [
    'a wrong key',
    () => createApi(api.url, `wt_key_01h455vb4pex5vsknk084sn02q_${'0'.repeat(64)}`).get('/v1/me'),
    401,
    'unauthenticated',
  ],
];

test.each(refused)('%s is refused by name', async (_, call, status, code, path) => {
  const answer = await call();
  expect(answer.body).toMatchObject({ status, code, type: expect.any(String), title: expect.any(String) });
  expect(answer.status).toBe(status);
  expect(answer.headers.get('content-type')).toContain('application/problem+json');
  expect(answer.headers.get('x-request-id')).toBeTruthy();
  if (path) expect(answer.body.errors.map((error: { path: string }) => error.path)).toContain(path);
});

test('a symbolic link does not lead out of the allowed roots', async () => {
  await mkdir(root, { recursive: true });
  await symlink('/etc', join(root, 'link-out'));
  const answer = await api.post('/v1/projects', project({ repository: { url: join(root, 'link-out') } }));
  expect([answer.status, answer.body.code]).toEqual([422, 'repository_not_allowed']);
});

const failing: [string, object, object, string, RegExp][] = [
  [
    'a repository that does not exist',
    { repository: { url: join(root, 'is-not-there') } },
    {},
    'repository_unreachable',
    /./,
  ],
  [
    'a repository that does not answer',
    { repository: { url: 'https://127.0.0.1:9/x.git' } },
    {},
    'repository_unreachable',
    /127\.0\.0\.1/,
  ],
  ['a base ref that does not exist', {}, { baseRef: 'no-such-branch' }, 'base_ref_not_found', /no-such-branch/],
  ['a setup that fails', { environment: { setup: ['echo fine', 'echo broken >&2; exit 9'] } }, {}, 'setup_failed', /9/],
  [
    'an image that cannot be had',
    { environment: { image: 'no/such-image:1' } },
    {},
    'image_unavailable',
    /no\/such-image/,
  ],
];

test.each(failing)(
  'a session with %s ends as failed and leaves nothing behind',
  async (_, fields, start, code, detail) => {
    const made = await api.post('/v1/projects', project(fields));
    if (made.status === 422) {
      expect(made.body.errors[0].path).toMatch(/^(repository|environment)/);
      return;
    }
    const session = await api.make(`/v1/projects/${made.body.id}/sessions?waitSeconds=280`, start);
    expect(session).toMatchObject({ state: 'failed', failure: { code, detail: expect.stringMatching(detail) } });
    const docker = new Docker({ socketPath: inject('dockerSocket') });
    const filters = { label: [`worktrail.session=${session.id}`] };
    await expect.poll(() => docker.listContainers({ all: true, filters })).toEqual([]);
    await expect.poll(async () => (await docker.listVolumes({ filters })).Volumes ?? []).toEqual([]);
    const refusedCommand = await api.post(`/v1/sessions/${session.id}/commands`, { command: 'true' });
    expect([refusedCommand.status, refusedCommand.body.code]).toEqual([409, 'session_failed']);
  },
);

test('a key has only its scopes, and an end', async () => {
  const { principal } = (await api.get('/v1/me')).body;
  const key = await api.make('/v1/keys', { principalId: principal.id, scopes: ['read'] });
  const reader = createApi(api.url, key.secret);
  expect((await reader.get('/v1/projects')).status).toBe(200);
  const refusedPost = await reader.post('/v1/projects', project({}));
  expect([refusedPost.status, refusedPost.body.code]).toEqual([403, 'scope_missing']);
  expect((await api.request('DELETE', `/v1/keys/${key.id}`)).status).toBeLessThan(300);
  expect((await reader.get('/v1/projects')).status).toBe(401);
});

test('another organization finds nothing of ours, and never hears that it exists', async () => {
  const operator = { authorization: `Bearer ${inject('operatorToken')}` };
  const made = await api.post(
    '/v1/organizations',
    { name: 'Other', principal: { name: 'Eve', kind: 'user' } },
    operator,
  );
  expect(made.status).toBe(201);
  const other = createApi(api.url, made.body.key.secret);
  for (const path of [
    `/v1/projects/${projectId}`,
    `/v1/sessions/${sessionId}`,
    `/v1/sessions/${sessionId}/events`,
    `/v1/sessions/${sessionId}/commands`,
  ]) {
    expect((await other.get(path)).status).toBe(404);
  }
  expect((await other.post(`/v1/sessions/${sessionId}/commands`, { command: 'true' })).status).toBe(404);
  expect((await other.get('/v1/projects')).body.items).toEqual([]);
  expect((await other.get('/v1/sessions')).body.items).toEqual([]);
});

test('a secret reaches the command that names it, masked in its output, and is never shown', async () => {
  const value = 'correct-horse-battery';
  const made = await api.make(
    '/v1/projects',
    project({ name: 'secret', environment: { env: { TOKEN: { secret: 'TOKEN' } } } }),
  );
  expect((await api.request('PUT', `/v1/projects/${made.id}/secrets/TOKEN`, { value })).status).toBeLessThan(300);
  const session = await api.make(`/v1/projects/${made.id}/sessions?waitSeconds=280`, {});
  const command = await api.make(`/v1/sessions/${session.id}/commands?waitSeconds=280`, {
    command: 'printf "%s|" "$TOKEN"; printf %s "$TOKEN" | sha256sum | cut -c1-8',
    stdin: '',
  });
  const { stdout } = await promisify(execFile)('sh', ['-c', `printf %s '${value}' | sha256sum | cut -c1-8`]);
  expect(command.output.text).toBe(`${'*'.repeat(value.length)}|${stdout}`);
  const shown = JSON.stringify([
    (await api.get(`/v1/projects/${made.id}`)).body,
    (await api.get(`/v1/sessions/${session.id}/events?limit=200`)).body,
    (await api.get('/v1/audit')).body,
  ]);
  expect(shown).not.toContain(value);
});
