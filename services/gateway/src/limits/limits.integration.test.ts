// Runners and limits over the public API. The test plays runners and workflows by their documents.

import { Kvm } from '@nats-io/kv';
import type { RunnerOrder, SessionDocument } from '@worktrail/contract/documents';
import { buckets, sessionKey } from '@worktrail/contract/subjects';
import { putVersioned } from '@worktrail/runtime/buckets';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeSession, readStream } from '../events/feed-fixture.ts';
import { type Fixture, openFixture, operatorToken } from '../gateway-fixture.ts';

let fixture: Fixture;
let projectId: string;

beforeAll(async () => {
  fixture = await openFixture('limits', {
    WORKTRAIL_QUOTAS_SESSIONS_PER_ORGANIZATION_MAX: '40',
    WORKTRAIL_QUOTAS_RUNNING_COMMANDS_PER_PROJECT_MAX: '7',
  });
  const repository = { url: 'https://example.org/repository.git' };
  projectId = (await fixture.call('POST', '/v1/projects', { name: 'one', repository })).body.id;
});

afterAll(() => fixture?.close());

const here = { runnerId: 'run-test' };
const runner = async () => (await fixture.call('GET', '/v1/runners')).body.items[0];
const limits = async (query = '') => (await fixture.call('GET', `/v1/limits${query}`)).body;

async function report(document: SessionDocument, fields: Partial<SessionDocument>): Promise<void> {
  const bucket = await new Kvm(fixture.connection).open(buckets.sessions);
  const next = { ...document, ...fields, version: document.version + 1 };
  await putVersioned(bucket, sessionKey(document.organizationId, document.id), next);
}

test('a runner shows how many sessions it has that do not sleep, of whichever organization', async () => {
  await fixture.announceRunner();
  expect(await runner()).toMatchObject({ id: 'run-test', sessions: 0, draining: false, unavailable: null });
  const { document } = await makeSession(fixture, { ...here, state: 'ready' });
  const other = await makeSession({ ...fixture, organizationId: 'org_other' }, { ...here, state: 'busy' });
  await makeSession(fixture, { ...here, state: 'hibernated' });
  await makeSession(fixture, { runnerId: 'run-other', state: 'ready' });
  await expect.poll(async () => (await runner()).sessions).toBe(2);
  for (const gone of [document, other.document]) await report(gone, { state: 'archived' });
  await expect.poll(async () => (await runner()).sessions).toBe(0);
});

test("only the operator's token drains a runner that has sessions of other organizations", async () => {
  const { call, callWith } = fixture;
  const other = await makeSession({ ...fixture, organizationId: 'org_other' }, { ...here, state: 'ready' });
  const own = await makeSession(fixture, { ...here, state: 'ready' });
  await expect.poll(async () => (await runner()).sessions).toBeGreaterThanOrEqual(2);
  const refused = await call('POST', '/v1/runners/run-test/drain');
  expect(refused).toMatchObject({ status: 403, body: { code: 'scope_missing' } });
  expect(refused.body.detail).toContain('other organizations');
  expect((await runner()).draining).toBe(false);
  for (const draining of [true, false]) {
    const given = await callWith(operatorToken)('POST', '/v1/runners/run-test/drain', { undo: !draining });
    expect(given).toMatchObject({ status: 200, body: { draining, by: 'operator' } });
  }
  const { items } = (await call('GET', '/v1/audit')).body;
  expect(items.filter(({ action }: any) => action === 'runner.drained')).toMatchObject([{ actor: { id: 'operator' } }]);
  expect((await callWith('wrong')('POST', '/v1/runners/run-test/drain')).status).toBe(401);
  for (const { document } of [other, own]) await report(document, { state: 'archived' });
  await expect.poll(async () => (await runner()).sessions).toBe(0);
});

test('an administrator drains a runner and takes it back; the order is kept for the runner, and audited', async () => {
  const { call, callWith } = fixture;
  const orders = await new Kvm(fixture.connection).open(buckets.runnerOrders);
  const drain = (id: string, body?: object) => call('POST', `/v1/runners/${id}/drain`, body);
  const { principal } = (await call('GET', '/v1/me')).body;
  expect(await drain('run-unknown')).toMatchObject({ status: 404, body: { code: 'not_found' } });
  for (const draining of [true, false]) {
    const given = await drain('run-test', { undo: !draining });
    expect(given).toMatchObject({ status: 200, body: { runnerId: 'run-test', draining, by: principal.id } });
    expect((await orders.get('run-test'))!.json<RunnerOrder>()).toEqual(given.body);
    expect((await runner()).draining).toBe(draining);
  }
  const audited = (await call('GET', '/v1/audit')).body.items.filter(
    (one: any) => one.resourceId === 'run-test' && one.actor.id === principal.id,
  );
  expect(audited.map(({ action }: any) => action)).toEqual(['runner.undrained', 'runner.drained']);
  const key = { principalId: principal.id, scopes: ['read', 'run'] };
  const user = callWith((await call('POST', '/v1/keys', key)).body.secret);
  expect(await user('POST', '/v1/runners/run-test/drain')).toMatchObject({
    status: 403,
    body: { code: 'scope_missing' },
  });
  expect((await user('GET', '/v1/limits')).status).toBe(200);
});

test('a runner that is away can be told what it shall do when it is back', async () => {
  const runners = await new Kvm(fixture.connection).open(buckets.runners);
  expect((await fixture.call('POST', '/v1/runners/run-test/drain')).status).toBe(200);
  await runners.delete('run-test');
  expect((await fixture.call('GET', '/v1/runners')).body.items).toEqual([]);
  expect((await fixture.call('POST', '/v1/runners/run-test/drain', { undo: true })).status).toBe(200);
});

test('limits tell what is used of each quota, of the organization and of its projects, and nothing of others', async () => {
  const before = await limits();
  for (const state of ['ready', 'busy', 'busy', 'hibernated', 'archived', 'failed'] as const) {
    await makeSession(fixture, { projectId, state });
  }
  await makeSession({ ...fixture, organizationId: 'org_other' }, { projectId, state: 'busy' });
  const used = before.liveSessions.used + 4;
  await expect.poll(async () => (await limits()).liveSessions).toEqual({ used, max: 40 });
  const found = await limits();
  expect(found.runningCommands).toEqual({ used: before.runningCommands.used + 2, max: null });
  expect(found.projectsLeftOut).toBe(0);
  const ofProject = {
    ...{ projectId, liveSessions: { used: 4, max: null }, runningCommands: { used: 2, max: 7 } },
  };
  expect(found.projects[0]).toEqual(ofProject);
  expect((await limits(`?projectId=${projectId}`)).projects).toEqual([ofProject]);
  expect((await fixture.call('GET', '/v1/limits?projectId=prj_01h455vb4pex5vsknk084sn02q')).status).toBe(404);
});

test('limits count those who follow', async () => {
  const { document } = await makeSession(fixture);
  const cut = new AbortController();
  const reading = readStream(fixture, document.id, { signal: cut.signal }).next();
  await expect.poll(async () => (await limits()).eventStreams).toEqual({ used: 1, max: 1_000 });
  cut.abort();
  await reading.catch(() => undefined);
  await expect.poll(async () => (await limits()).eventStreams.used).toBe(0);
});
