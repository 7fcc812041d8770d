import { afterEach, expect, test } from 'vitest';
import { answer, startCli, startTestApi, type TestApi } from '../test-api.ts';

const servers: TestApi[] = [];
afterEach(() => Promise.all(servers.splice(0).map((server) => server.close())));

const approval = { requiredApprovals: 1, authorMayApprove: false, requiredChecks: ['npm test'], mergeMethod: 'merge' };
const project = { id: 'prj_01jd0000000000000000000000', name: 'app', approval };
const principals = [
  { id: 'prn_1', name: 'Ada', kind: 'user' },
  { id: 'prn_2', name: 'Two', kind: 'user' },
  { id: 'prn_3', name: 'Two', kind: 'user' },
];
const key = { id: 'key_1', principalId: 'prn_1', scopes: ['read'], expiresAt: null, createdAt: '2026-01-01T00:00:00Z' };

async function run(...args: string[]) {
  const api = await startTestApi(({ path, method }, response) => {
    if (path === '/v1/principals' && method === 'GET')
      return answer(response, 200, { items: principals, nextCursor: null });
    if (path === '/v1/principals') return answer(response, 201, { id: 'prn_9', name: 'Bo', kind: 'user' });
    if (path === '/v1/keys' && method === 'GET') return answer(response, 200, { items: [key], nextCursor: null });
    if (path.startsWith('/v1/keys')) return answer(response, 201, { ...key, secret: 'wt_key_1_s' });
    return answer(response, 200, project);
  });
  servers.push(api);
  const cli = startCli(args, { WORKTRAIL_API_URL: api.url, WORKTRAIL_API_KEY: 'k' });
  const code = await cli.exitCode;
  const changes = api.requests
    .filter(({ method }) => method !== 'GET')
    .map(({ method, path, body }) => `${method} ${path} ${body}`);
  return { code, out: cli.stdout().toString(), err: cli.stderr(), changes };
}

test('the policy is shown without an option, and changed in what is named', async () => {
  const shown = await run('project', 'approval', project.id);
  expect(shown).toMatchObject({ code: 0, changes: [] });
  expect(shown.out).toMatch(/^required check +npm test$/m);
  const patch = `PATCH /v1/projects/${project.id}`;
  const changed = (...options: string[]) => run('project', 'approval', project.id, ...options);
  expect((await changed('--required', '2', '--check', 'a', '--check', 'b')).changes).toEqual([
    `${patch} {"approval":{"requiredApprovals":2,"requiredChecks":["a","b"]}}`,
  ]);
  expect((await changed('--no-checks', '--no-author-may-approve', '--merge-method', 'squash')).changes).toEqual([
    `${patch} {"approval":{"authorMayApprove":false,"requiredChecks":[],"mergeMethod":"squash"}}`,
  ]);
  expect((await changed('--author-may-approve')).changes).toEqual([`${patch} {"approval":{"authorMayApprove":true}}`]);
  expect((await changed('--merge-method', 'pull_request', '--pull-requests', 'gitea')).changes).toEqual([
    `${patch} {"approval":{"mergeMethod":"pull_request","pullRequest":{"host":"gitea"}}}`,
  ]);
  expect(await changed('--pull-requests-api', 'https://a.org')).toMatchObject({ code: 2, changes: [] });
  expect(await changed('--merge-method', 'hope')).toMatchObject({ code: 2, changes: [] });
});

test('a key is for a principal by name or id, who is made where there is none', async () => {
  const known = await run('key', 'create', 'Ada', '--scopes', 'read,approve');
  expect(known.changes).toEqual(['POST /v1/keys {"principalId":"prn_1","scopes":["read","approve"]}']);
  expect(known.out).toMatch(/^API key +wt_key_1_s$/m);
  expect((await run('key', 'create', 'Bo')).changes).toEqual([
    'POST /v1/principals {"name":"Bo","kind":"user"}',
    'POST /v1/keys {"principalId":"prn_9","scopes":["read","run"]}',
  ]);
  expect(await run('key', 'create', 'Two')).toMatchObject({ code: 2, changes: [] });
  expect(await run('key', 'create', 'prn_8')).toMatchObject({ code: 2, changes: [] });
  expect(await run('key', 'create', 'Ada', '--scopes', 'all')).toMatchObject({ code: 2, changes: [] });
});

test('keys are listed with whose they are, and deleted by id', async () => {
  expect((await run('key', 'list')).out).toMatch(/^key_1 +prn_1 +Ada +read /m);
  expect((await run('key', 'delete', 'key_1')).changes).toEqual(['DELETE /v1/keys/key_1 ']);
});
