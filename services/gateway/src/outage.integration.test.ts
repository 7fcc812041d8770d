import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Answer, type Fixture, openFixture } from './gateway-fixture.ts';

let fixture: Fixture;
let projectId: string;

beforeAll(async () => {
  fixture = await openFixture('outage');
  await mkdir(join(fixture.repositories, 'app'));
  const project = { name: 'app', repository: { url: join(fixture.repositories, 'app') } };
  projectId = (await fixture.call('POST', '/v1/projects', project)).body.id;
});
afterAll(() => fixture?.close());

const answerMaxMs = 5_000;

/** 503 with Retry-After, in time, naming the part. Once a busy machine may be late by itself. */
async function expectUnavailable(call: () => Promise<Answer>, part: string): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    const begunMs = performance.now();
    const { headers, body } = await call();
    const tookMs = performance.now() - begunMs;
    expect(body).toMatchObject({ status: 503, code: 'dependency_unavailable', part });
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    if (tries === 3) expect(tookMs).toBeLessThan(answerMaxMs);
    if (tookMs < answerMaxMs) return;
  }
}

async function makeSession(): Promise<string> {
  const { status, body } = await fixture.call('POST', `/v1/projects/${projectId}/sessions`, {});
  expect([status, body]).toEqual([201, expect.objectContaining({ state: 'creating' })]);
  return body.id;
}

/** What a session's workflow is asked for and needs a moment. */
const longUpdates = ['archive', 'hibernate', 'resume', 'checkpoints'];

const part = async (name: string) => (await fixture.call('GET', '/readyz')).body.parts[name];

test('without a runner a session is refused for now, and readyz names the runner', async () => {
  expect((await part('sandbox-runner')).ok).toBe(false);
  await expectUnavailable(() => fixture.call('POST', `/v1/projects/${projectId}/sessions`, {}), 'sandbox-runner');
});

test('while no runner has an engine that answers, and room on its disk, a session is refused for now, by the name of either', async () => {
  for (const lacking of ['docker', 'disk'] as const) {
    await fixture.announceRunner({ part: lacking, detail: 'for the test' });
    await expectUnavailable(() => fixture.call('POST', `/v1/projects/${projectId}/sessions`, {}), lacking);
    const runners = (await fixture.call('GET', '/v1/runners')).body.items;
    expect(runners).toMatchObject([{ id: 'run-test', unavailable: lacking }]);
  }
  await fixture.announceRunner();
});

test('readyz names a part as soon as none of its processes is there, until one is again', async () => {
  for (const name of ['orchestrator', 'sandbox-runner', 'docker'] as const) {
    for (let life = 0; life < 2; life++) {
      expect((await part(name)).ok).toBe(false);
      const end = await fixture.answerHealth(name);
      expect((await part(name)).ok).toBe(true);
      await end();
    }
    expect((await part(name)).ok).toBe(false);
  }
});

test('without an orchestrator a session is kept until there is one; what asks its workflow is refused for now', async () => {
  expect((await part('orchestrator')).ok).toBe(false);
  const made = await fixture.call('POST', `/v1/projects/${projectId}/sessions`, {}, { 'idempotency-key': 'kept' });
  expect([made.status, made.body.state]).toEqual([201, 'creating']);
  const path = `/v1/sessions/${made.body.id}`;
  expect((await fixture.call('GET', path)).body.state).toBe('creating');
  await Promise.all([
    expectUnavailable(() => fixture.call('POST', `${path}/commands`, { command: 'true' }), 'orchestrator'),
    ...longUpdates.map((what) => expectUnavailable(() => fixture.call('POST', `${path}/${what}`), 'orchestrator')),
  ]);
  const again = await fixture.call('POST', `/v1/projects/${projectId}/sessions`, {}, { 'idempotency-key': 'kept' });
  expect([again.status, again.body.id]).toEqual([201, made.body.id]);
});

test('while Temporal is down it is named, the rest goes on, and all is well when it is back', async () => {
  const { call, temporal } = fixture;
  const task = (await call('POST', `/v1/projects/${projectId}/tasks`, { title: 'try it' })).body;
  const trials = `/v1/tasks/${task.id}/trials`;
  const attempts = [{ title: 'one', commands: ['true'] }];
  const sessionId = await makeSession();
  await temporal.kill();
  expect(await part('temporal')).toMatchObject({ ok: false });
  await Promise.all([
    expectUnavailable(() => call('POST', `/v1/projects/${projectId}/sessions`, {}), 'temporal'),
    expectUnavailable(() => call('POST', trials, { name: 'first', attempts }), 'temporal'),
    ...longUpdates.map((what) =>
      expectUnavailable(() => call('POST', `/v1/sessions/${sessionId}/${what}`), 'temporal'),
    ),
  ]);
  expect((await call('GET', trials)).body.items).toEqual([]);
  expect((await call('GET', '/v1/projects')).status).toBe(200);
  await temporal.restart();
  await expect.poll(async () => (await part('temporal')).ok).toBe(true);
  await makeSession();
});

test('while the trace-store is down it is named, and all is well when it is back', async () => {
  const { call, traceStore } = fixture;
  const id = await makeSession();
  await traceStore.kill();
  expect(await part('trace-store')).toMatchObject({ ok: false });
  for (const path of [
    '/v1/sessions',
    `/v1/sessions/${id}/events`,
    `/v1/sessions/${id}/commands`,
    `/v1/sessions/${id}/checkpoints`,
    '/v1/audit',
  ]) {
    await expectUnavailable(() => call('GET', path), 'trace-store');
  }
  expect((await call('GET', `/v1/sessions/${id}`)).status).toBe(200);
  await traceStore.restart();
  expect((await call('GET', `/v1/sessions/${id}/events`)).body).toMatchObject({ items: [], complete: true });
});

test('while NATS is down it is named, and all is well when it is back', async () => {
  const { call, nats } = fixture;
  await nats.kill();
  expect(await part('nats')).toMatchObject({ ok: false });
  expect((await call('GET', '/healthz')).status).toBe(200);
  await Promise.all(
    ['/v1/projects', '/v1/runners', '/v1/limits'].map((path) => expectUnavailable(() => call('GET', path), 'nats')),
  );
  await nats.restart();
  await expect.poll(async () => (await call('GET', '/v1/projects')).status).toBe(200);
});
