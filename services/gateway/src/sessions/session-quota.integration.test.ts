// Quotas of live sessions on a real bucket and over the public API. The test plays the workflows, which report by their documents.

import { type KV, Kvm } from '@nats-io/kv';
import type { SessionDocument } from '@worktrail/contract/documents';
import { createDocument, putVersioned } from '@worktrail/runtime/buckets';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Fixture, openFixture } from '../gateway-fixture.ts';
import { createSessionCensus } from './session-census.ts';
import { createSessionQuota } from './session-quota.ts';

const ofProject = 'project_sessions_exceeded';
const ofOrganization = 'organization_sessions_exceeded';
let fixture: Fixture;
let bucket: KV;
let now: number;
let made = 0;

beforeAll(async () => {
  fixture = await openFixture('quota', { WORKTRAIL_QUOTAS_SESSIONS_PER_PROJECT_MAX: '1' });
  await fixture.announceRunner();
});

afterAll(() => fixture?.close());

beforeEach(async () => {
  now = Date.parse('2026-01-01T00:00:00.000Z');
  bucket = await new Kvm(fixture.connection).create(`quota-${++made}`, { history: 1 });
});

const quotaOf = (sessionsPerOrganizationMax: number | null, sessionsPerProjectMax: number | null) =>
  createSessionQuota(
    createSessionCensus(bucket, () => now),
    { sessionsPerOrganizationMax, sessionsPerProjectMax },
  );

function session(projectId: string, sessionId: string) {
  return { organizationId: 'org', projectId, sessionId };
}

async function report(asked: ReturnType<typeof session>, version: number, state: string): Promise<void> {
  const { sessionId: id, ...rest } = asked;
  const document = { ...rest, id, version, state, createdAt: new Date(now).toISOString() } as SessionDocument;
  if (version === 0) await createDocument(bucket, id, document);
  else await putVersioned(bucket, id, document);
}

test('of many that ask at once only so many are let in', async () => {
  const quota = quotaOf(3, null);
  const asked = Array.from({ length: 10 }, (_, index) => quota.admit([session(`p${index}`, `s${index}`)]));
  const refused = (await Promise.allSettled(asked)).filter((one) => one.status === 'rejected');
  expect(refused.map(({ reason }) => reason.code)).toEqual(Array(7).fill(ofOrganization));
});

test('a session counts until it is archived or failed, also one that was there before', async () => {
  const [first, second] = [session('p', 's1'), session('p', 's2')];
  await report(first, 3, 'hibernated');
  await report(second, 3, 'busy');
  const quota = quotaOf(null, 2);
  await expect(quota.admit([session('p', 's3')])).rejects.toMatchObject({ code: ofProject });
  await quota.admit([session('other', 's4')]);
  await report(first, 4, 'archived');
  await expect.poll(() => quota.admit([session('p', 's3')])).toBeUndefined();
  await report(second, 4, 'failed');
  await expect.poll(() => quota.admit([session('p', 's5')])).toBeUndefined();
});

test('several are let in together or not at all, and a repetition takes no second place', async () => {
  const quota = quotaOf(null, 2);
  const three = ['s1', 's2', 's3'].map((id) => session('p', id));
  await expect(quota.admit(three)).rejects.toMatchObject({ code: ofProject });
  await quota.admit(three.slice(0, 2));
  await quota.admit(three.slice(0, 2));
});

test('what was asked for and never began lapses', async () => {
  const quota = quotaOf(null, 2);
  const [waiting, begun] = [session('p', 's1'), session('p', 's2')];
  await report(waiting, 0, 'creating');
  await report(begun, 1, 'creating');
  await expect(quota.admit([session('p', 's3')])).rejects.toMatchObject({ code: ofProject });
  now += 11 * 60_000;
  await quota.admit([session('p', 's3')]);
  await expect(quota.admit([session('p', 's4')])).rejects.toMatchObject({ code: ofProject });
});

test('over the API a session and a trial over a quota are 429 with its name', async () => {
  const { call } = fixture;
  const repository = { url: 'https://example.org/repository.git' };
  const { body: project } = await call('POST', '/v1/projects', { name: 'one', repository });
  expect((await call('POST', `/v1/projects/${project.id}/sessions`, {})).status).toBe(201);
  const second = await call('POST', `/v1/projects/${project.id}/sessions`, {});
  expect(second).toMatchObject({ status: 429, body: { code: ofProject } });
  expect(second.headers.get('retry-after')).toBe('1');
  const { body: task } = await call('POST', `/v1/projects/${project.id}/tasks`, { title: 'Try' });
  const trial = await call('POST', `/v1/tasks/${task.id}/trials`, { attempts: [{ commands: ['true'] }] });
  expect(trial).toMatchObject({ status: 429, body: { code: ofProject } });
});

test('over the API a scan whose checks need a session over a quota is 429 with its name', async () => {
  const { call } = fixture;
  const repository = { url: 'https://example.org/repository.git' };
  const approval = { requiredChecks: ['npm test'] };
  const { body: project } = await call('POST', '/v1/projects', { name: 'scanned', repository, approval });
  expect((await call('POST', `/v1/projects/${project.id}/sessions`, {})).status).toBe(201);
  const scan = await call('POST', `/v1/projects/${project.id}/suggestions`);
  expect(scan).toMatchObject({ status: 429, body: { code: ofProject } });
});
