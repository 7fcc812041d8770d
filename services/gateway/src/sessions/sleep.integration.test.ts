// Hibernate, resume and the queue over the public API. The sessions' workflows are scripted; the test plays their events and documents.

import { Kvm } from '@nats-io/kv';
import type { SessionDocument } from '@worktrail/contract/documents';
import { hibernateSession } from '@worktrail/contract/session-messages';
import { buckets, sessionKey } from '@worktrail/contract/subjects';
import { putVersioned, readDocument } from '@worktrail/runtime/buckets';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeSession, openProducers } from '../events/feed-fixture.ts';
import { type Fixture, openFixture } from '../gateway-fixture.ts';
import { type ScriptedSessions, startScriptedSessions } from '../scripted-sessions.ts';

let fixture: Fixture;
let sessions: ScriptedSessions;
let projectId: string;

beforeAll(async () => {
  fixture = await openFixture('sleep');
  sessions = await startScriptedSessions(fixture.temporal.address);
  await fixture.answerHealth('orchestrator');
  await fixture.announceRunner();
  const repository = { url: 'https://example.org/repository.git' };
  projectId = (await fixture.call('POST', '/v1/projects', { name: 'one', repository })).body.id;
});

afterAll(async () => {
  await sessions?.close();
  await fixture?.close();
});

async function newSession(): Promise<string> {
  const made = await fixture.call('POST', `/v1/projects/${projectId}/sessions`, {});
  expect(made.status).toBe(201);
  return made.body.id as string;
}

const post = (sessionId: string, what: string, headers = {}) =>
  fixture.call('POST', `/v1/sessions/${sessionId}/${what}`, undefined, headers);

async function documentOf(sessionId: string): Promise<SessionDocument> {
  const bucket = await new Kvm(fixture.connection).open(buckets.sessions);
  return (await readDocument<SessionDocument>(bucket, sessionKey(fixture.organizationId, sessionId)))!.value;
}

/** As the workflow would, at its version. */
async function report(sessionId: string, fields: Partial<SessionDocument> & { version: number }): Promise<void> {
  const bucket = await new Kvm(fixture.connection).open(buckets.sessions);
  const document = { ...(await documentOf(sessionId)), ...fields };
  await putVersioned(bucket, sessionKey(fixture.organizationId, sessionId), document);
}

test('a session is hibernated and resumed on request, and either may be asked for again', async () => {
  const id = await newSession();
  for (let time = 0; time < 2; time++) {
    expect(await post(id, 'hibernate')).toMatchObject({
      status: 200,
      body: { state: 'hibernated', queuePosition: null },
    });
  }
  const producer = (await openProducers(fixture, await documentOf(id)))('session');
  const waiting = post(id, 'resume?waitSeconds=280');
  await expect.poll(async () => (await fixture.call('GET', `/v1/sessions/${id}`)).body.state).toBe('resuming');
  await sessions.tell(id, { document: { version: 9, state: 'ready' } });
  const actor = { kind: 'system' as const, id: 'test' };
  const value = { branch: 'b', baseCommit: 'c', headCommit: 'c' };
  await producer.append({ time: new Date(), actor, payload: { case: 'sessionReady', value } });
  expect(await waiting).toMatchObject({ status: 200, body: { state: 'ready' } });
  expect((await post(id, 'resume')).status).toBe(200);
});

test('what is hibernated already is told without asking its workflow for it once more', async () => {
  const id = await newSession();
  await sessions.tell(id, { document: { version: 2, state: 'hibernated' } });
  await report(id, { version: 2, state: 'hibernated' });
  expect(await post(id, 'hibernate')).toMatchObject({ status: 200, body: { state: 'hibernated' } });
  expect((await sessions.asked(id))[hibernateSession]).toBeUndefined();
});

test.each([
  ['session_busy', 409],
  ['checkpoint_failed', 503],
])('a session that cannot be hibernated is refused as %s, and can be once that is over', async (code, status) => {
  const id = await newSession();
  await sessions.tell(id, { refusal: { code, detail: 'for the test' } });
  const key = { 'idempotency-key': `hibernate-${code}` };
  const refused = await post(id, 'hibernate', key);
  expect(refused).toMatchObject({ status, body: { code, detail: 'for the test' } });
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  await sessions.tell(id, { refusal: null });
  expect(await post(id, 'hibernate', key)).toMatchObject({ status: 200, body: { state: 'hibernated' } });
});

test('a session that is archived or failed is neither hibernated nor resumed', async () => {
  for (const state of ['archived', 'failed'] as const) {
    const { document } = await makeSession(fixture, { state });
    for (const what of ['hibernate', 'resume', 'checkpoints']) {
      expect(await post(document.id, what)).toMatchObject({ status: 409, body: { code: `session_${state}` } });
    }
  }
});

test('sessions that wait for a place show their rank among all of the cluster, one that waits no longer shows none', async () => {
  const since = (second: number) => `2026-01-01T00:00:0${second}.000Z`;
  const waiting = (second: number, organizationId: string) =>
    makeSession({ ...fixture, organizationId }, { state: 'creating', waitingForPlaceSince: since(second) });
  const first = await waiting(1, fixture.organizationId);
  await waiting(2, 'org_other');
  const third = await waiting(3, fixture.organizationId);
  await makeSession(fixture, { state: 'ready' });
  const position = async (id: string) => (await fixture.call('GET', `/v1/sessions/${id}`)).body.queuePosition;
  await expect.poll(() => position(third.document.id)).toBe(3);
  expect(await position(first.document.id)).toBe(1);
  await report(first.document.id, { version: 2, state: 'ready', waitingForPlaceSince: null });
  expect(await position(first.document.id)).toBeNull();
  await expect.poll(() => position(third.document.id)).toBe(2);
});
