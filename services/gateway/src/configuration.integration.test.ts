import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Kvm } from '@nats-io/kv';
import { buckets } from '@worktrail/contract/subjects';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Fixture, openFixture, operatorToken } from './gateway-fixture.ts';

let fixture: Fixture;
let repository: string;

beforeAll(async () => {
  fixture = await openFixture('configuration');
  repository = join(fixture.repositories, 'app');
  await mkdir(repository);
});
afterAll(() => fixture?.close());

const project = (name: string) => ({ name, repository: { url: repository } });

async function storedTexts(): Promise<string[]> {
  const texts: string[] = [];
  for (const name of [buckets.configuration, buckets.idempotency]) {
    const bucket = await new Kvm(fixture.connection).open(name);
    const keys: string[] = [];
    for await (const key of await bucket.keys()) keys.push(key);
    for (const key of keys) texts.push((await bucket.get(key))!.string());
  }
  return texts;
}

test('only the operator makes organizations, and the key made with one opens it and nothing else', async () => {
  const { call, callWith } = fixture;
  const body = { name: 'Other', principal: { name: 'Eve', kind: 'service' } };
  expect((await call('POST', '/v1/organizations', body)).status).toBe(401);
  const made = await callWith(operatorToken)('POST', '/v1/organizations', body);
  expect(made.body.key.secret).toMatch(/^wt_key_[0-9a-z]{26}_[0-9a-f]{64}$/);
  const other = callWith(made.body.key.secret);
  expect((await other('GET', '/v1/me')).body).toMatchObject({
    organization: { id: made.body.organization.id, name: 'Other' },
    principal: { name: 'Eve', kind: 'service' },
    scopes: ['read', 'run', 'approve', 'admin'],
  });
  const ours = (await call('POST', '/v1/projects', project('ours'))).body;
  expect((await other('GET', `/v1/projects/${ours.id}`)).status).toBe(404);
  expect((await other('DELETE', `/v1/keys/${(await call('GET', '/v1/me')).body.key.id}`)).status).toBe(404);
  expect((await other('GET', '/v1/projects')).body).toEqual({ items: [], nextCursor: null });
});

test('no key and no secret is kept as it is, neither in documents nor in kept answers', async () => {
  const { call, callWith } = fixture;
  const body = { name: 'Kept', principal: { name: 'Kim', kind: 'user' } };
  const made = await callWith(operatorToken)('POST', '/v1/organizations', body, { 'idempotency-key': 'kept' });
  const again = await callWith(operatorToken)('POST', '/v1/organizations', body, { 'idempotency-key': 'kept' });
  expect(again.body).toEqual(made.body);
  const { id } = (await call('POST', '/v1/projects', project('secret'))).body;
  expect((await call('PUT', `/v1/projects/${id}/secrets/TOKEN`, { value: 'correct-horse' })).status).toBe(204);
  expect((await call('GET', `/v1/projects/${id}`)).body.secrets).toEqual(['TOKEN']);
  const texts = (await storedTexts()).join('\n');
  expect(texts).not.toContain('correct-horse');
  expect(texts).not.toContain(made.body.key.secret.split('_').at(-1));
  expect((await call('DELETE', `/v1/projects/${id}/secrets/TOKEN`)).status).toBe(204);
  expect((await call('DELETE', `/v1/projects/${id}/secrets/TOKEN`)).status).toBe(404);
  expect((await call('GET', `/v1/projects/${id}`)).body.secrets).toEqual([]);
});

test('a credential for the remote is set and deleted, and of it the project shows its kind and since when', async () => {
  const { call } = fixture;
  const remote = { name: 'remote', repository: { url: 'https://git.example.org/app.git' } };
  const { id, credential } = (await call('POST', '/v1/projects', remote)).body;
  expect(credential).toBeNull();
  const path = `/v1/projects/${id}/credential`;
  expect(
    (await call('PUT', path, { kind: 'token', token: 'staple-battery', username: 'ada-of-the-token' })).status,
  ).toBe(204);
  expect((await call('GET', `/v1/projects/${id}`)).body.credential).toEqual({
    kind: 'token',
    setAt: expect.stringMatching(/^\d{4}-.*Z$/),
  });
  expect((await call('GET', path)).status).toBe(405);
  expect((await storedTexts()).join('\n')).not.toMatch(/staple-battery|ada-of-the-token/);
  const key = { kind: 'ssh_key', privateKey: 'not-a-key-but-secret', knownHosts: '' };
  const refused = (await call('PUT', path, key)).body;
  expect(refused.errors.map((error: { path: string }) => error.path)).toEqual(['privateKey', 'knownHosts']);
  expect(JSON.stringify(refused)).not.toContain('not-a-key');
  expect((await call('DELETE', path)).status).toBe(204);
  expect((await call('DELETE', path)).status).toBe(404);
  expect((await call('GET', `/v1/projects/${id}`)).body.credential).toBeNull();

  await call('PUT', path, { kind: 'token', token: 'staple-battery' });
  const { items } = (await call('GET', '/v1/audit?limit=200')).body;
  const actions = items.filter((item: { resourceId: string }) => item.resourceId === id);
  expect(actions.map((item: { action: string }) => item.action)).toContain('credential.deleted');
  expect(JSON.stringify(items)).not.toContain('staple-battery');
  const local = (await call('POST', '/v1/projects', project('takes none'))).body;
  const none = await call('PUT', `/v1/projects/${local.id}/credential`, { kind: 'token', token: 'x' });
  expect(none.body).toMatchObject({ status: 422, errors: [{ path: 'kind' }] });
  expect((await call('DELETE', `/v1/projects/${id}`)).status).toBe(204);
  const bucket = await new Kvm(fixture.connection).open(buckets.configuration);
  expect((await bucket.get(`credential.${id}`))?.operation).not.toBe('PUT');
});

test('a key has its scopes, is refused at once when it was deleted, and when its time is over', async () => {
  const { call, callWith } = fixture;
  const principal = (await call('POST', '/v1/principals', { name: 'Bot', kind: 'service' })).body;
  const make = async (fields: object) =>
    (await call('POST', '/v1/keys', { principalId: principal.id, ...fields })).body;
  const key = await make({ scopes: ['read'] });
  const reader = callWith(key.secret);
  expect((await reader('GET', '/v1/projects')).status).toBe(200);
  expect((await reader('POST', '/v1/projects', project('no'))).body).toMatchObject({
    status: 403,
    code: 'scope_missing',
  });
  expect((await call('GET', '/v1/keys')).body.items[0]).toEqual(expect.not.objectContaining({ secret: key.secret }));
  expect((await call('DELETE', `/v1/keys/${key.id}`)).status).toBe(204);
  expect((await reader('GET', '/v1/projects')).body.code).toBe('unauthenticated');
  const expiresAt = new Date(Date.now() + 5_000).toISOString();
  const brief = callWith((await make({ scopes: ['read'], expiresAt })).secret);
  expect((await brief('GET', '/v1/me')).status).toBe(200);
  await expect.poll(async () => (await brief('GET', '/v1/me')).status).toBe(401);
  expect((await make({ scopes: ['read'], expiresAt: '2020-01-01T00:00:00Z' })).errors[0].path).toBe('expiresAt');
});

test('a repeated request makes one resource, another body under the same key none', async () => {
  const { call } = fixture;
  const headers = { 'idempotency-key': 'twenty-at-once' };
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => call('POST', '/v1/projects', project('once'), headers)),
  );
  expect(new Set(answers.map(({ status, body }) => `${status} ${body.id}`)).size).toBe(1);
  const named = (await call('GET', '/v1/projects?limit=200')).body.items.filter(
    (item: { name: string }) => item.name === 'once',
  );
  expect(named).toHaveLength(1);
  const other = await call('POST', '/v1/projects', project('twice'), headers);
  expect(other.body).toMatchObject({ status: 422, code: 'idempotency_key_reused' });
});

test('a project needs a name and an address: the rest has defaults, also inside objects', async () => {
  const { call } = fixture;
  const made = await call('POST', '/v1/projects', { ...project('defaults'), environment: { resources: { cpus: 1 } } });
  expect(made.body).toMatchObject({
    repository: { defaultBranch: 'main' },
    environment: { network: { mode: 'none', allow: [] }, resources: { cpus: 1, memoryMb: 2048 }, packages: [] },
    approval: { requiredApprovals: 1, authorMayApprove: false, requiredChecks: [], mergeMethod: 'merge' },
    secrets: [],
  });
  const changed = await call('PATCH', `/v1/projects/${made.body.id}`, {
    environment: { packages: ['jq'] },
    approval: { requiredApprovals: 2 },
  });
  expect(changed.body).toMatchObject({
    environment: { packages: ['jq'], resources: { cpus: 1 } },
    approval: { requiredApprovals: 2, mergeMethod: 'merge' },
  });
});

test('a change is made only to what its maker has seen', async () => {
  const { call } = fixture;
  const { id } = (await call('POST', '/v1/projects', project('seen'))).body;
  const task = await call('POST', `/v1/projects/${id}/tasks`, { title: 'Do it' });
  const seen = task.headers.get('etag')!;
  const path = `/v1/tasks/${task.body.id}`;
  const first = await call('PATCH', path, { state: 'done' }, { 'if-match': seen });
  expect([first.status, first.body.state]).toEqual([200, 'done']);
  const second = await call('PATCH', path, { state: 'canceled' }, { 'if-match': seen });
  expect(second.body).toMatchObject({ status: 412, code: 'precondition_failed' });
  expect((await call('GET', path)).headers.get('etag')).toBe(first.headers.get('etag'));
});

test('lists are read page by page, newest first', async () => {
  const { call } = fixture;
  const { id } = (await call('POST', '/v1/projects', project('pages'))).body;
  for (const title of ['a', 'b', 'c', 'd', 'e']) await call('POST', `/v1/projects/${id}/tasks`, { title });
  const titles: string[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page = await call('GET', `/v1/projects/${id}/tasks?limit=2${cursor && `&cursor=${cursor}`}`);
    titles.push(...page.body.items.map((item: { title: string }) => item.title));
    cursor = page.body.nextCursor;
  }
  expect(titles).toEqual(['e', 'd', 'c', 'b', 'a']);
  expect((await call('GET', `/v1/projects/${id}/tasks?cursor=nonsense`)).body.code).toBe('cursor_invalid');
  expect((await call('GET', `/v1/projects/${id}/tasks?limit=201`)).body.errors[0].path).toBe('limit');
});

test('a deleted project takes its tasks with it, and nothing of them is left', async () => {
  const { call } = fixture;
  const { id } = (await call('POST', '/v1/projects', project('deleted'))).body;
  const made = await Promise.all(['a', 'b'].map((title) => call('POST', `/v1/projects/${id}/tasks`, { title })));
  const tasks = made.map(({ body }) => body.id as string);
  const bucket = await new Kvm(fixture.connection).open(buckets.configuration);
  await bucket.put(`trials-of.${tasks[0]}.trl_1`, '{}');
  expect((await call('DELETE', `/v1/projects/${id}`)).status).toBe(204);
  for (const method of ['GET', 'PATCH']) {
    expect((await call(method, `/v1/tasks/${tasks[0]}`, method === 'GET' ? undefined : {})).status).toBe(404);
  }
  const keys: string[] = [];
  for await (const key of await bucket.keys()) keys.push(key);
  expect(keys.filter((key) => [id, ...tasks].some((one) => key.includes(one)))).toEqual([]);
});

test('every change of the configuration is in the audit, with who made it and never with a secret', async () => {
  const { call } = fixture;
  const { id } = (await call('POST', '/v1/projects', project('audited'))).body;
  await call('PUT', `/v1/projects/${id}/secrets/TOKEN`, { value: 'not-to-be-seen' });
  await call('PATCH', `/v1/projects/${id}`, { name: 'renamed' });
  const deleted = await call('DELETE', `/v1/projects/${id}`, undefined, { 'x-request-id': 'the-deletion' });
  expect(deleted.status).toBe(204);
  const { items } = (await call('GET', '/v1/audit?limit=200')).body;
  const ours = items.filter((item: { resourceId: string }) => item.resourceId === id);
  expect(ours.map((item: { action: string }) => item.action)).toEqual([
    'project.deleted',
    'project.updated',
    'secret.set',
    'project.created',
  ]);
  const { principal } = (await call('GET', '/v1/me')).body;
  expect(ours[0]).toMatchObject({ actor: { kind: 'user', id: principal.id }, requestId: 'the-deletion' });
  expect(JSON.stringify(items)).not.toContain('not-to-be-seen');
});

test('changes made at once are all made, and of those to what the same client has seen only one', async () => {
  const { call } = fixture;
  const made = await call('POST', '/v1/projects', project('changed'));
  const task = await call('POST', `/v1/projects/${made.body.id}/tasks`, { title: 'changed' });
  const ten = Array.from({ length: 10 }, (_, index) => index);
  for (const [path, field, etag] of [
    [`/v1/projects/${made.body.id}`, 'name', made.headers.get('etag')!],
    [`/v1/tasks/${task.body.id}`, 'title', task.headers.get('etag')!],
  ] as const) {
    const change = (n: number, headers = {}) => call('PATCH', path, { [field]: `change ${n}` }, headers);
    const seen = await Promise.all(ten.map((n) => change(n, { 'if-match': etag })));
    expect(seen.map(({ status }) => status).toSorted()).toEqual([200, ...Array(9).fill(412)]);
    const unseen = await Promise.all(ten.map((n) => change(n)));
    expect(unseen.map(({ status }) => status)).toEqual(Array(10).fill(200));
  }
});
