import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Kvm } from '@nats-io/kv';
import { limits } from '@worktrail/contract/limits';
import { buckets } from '@worktrail/contract/subjects';
import { messageBytesMax } from '@worktrail/contract/turns';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Answer, type Fixture, openFixture } from './gateway-fixture.ts';

let fixture: Fixture;
let url: string;

beforeAll(async () => {
  fixture = await openFixture('spec-size');
  url = join(fixture.repositories, 'app');
  await mkdir(url);
  await fixture.announceRunner();
});
afterAll(() => fixture?.close());

const text = (bytes: number) => 'x'.repeat(bytes);
const kib = 1_024;
const newProject = (fields: object) =>
  fixture.call('POST', '/v1/projects', { name: 'p', repository: { url }, ...fields });

function expectTooLarge({ body }: Answer, path: string, bytesMax: number): void {
  expect(body).toMatchObject({ status: 422, code: 'validation_failed', errors: [{ path }] });
  expect(body.detail).toContain(`${bytesMax} bytes`);
}

async function startsNothing(call: () => Promise<Answer>): Promise<Answer> {
  const documents = async () => {
    const names = [buckets.sessions, buckets.trials];
    const sizes = names.map(async (name) => (await (await new Kvm(fixture.connection).open(name)).status()).values);
    return await Promise.all(sizes);
  };
  const before = await documents();
  const answer = await call();
  expect(await documents()).toEqual(before);
  return answer;
}

test('a project whose environment or checks are too large in all is refused by name, when it is made and when it is changed', async () => {
  const setup = Array(2).fill(text(64 * kib));
  expectTooLarge(await newProject({ environment: { setup } }), 'environment', limits.environmentBytesMax);
  const requiredChecks = Array(4).fill(text(100 * kib));
  const checked = await newProject({ approval: { requiredChecks } });
  expectTooLarge(checked, 'approval.requiredChecks', limits.requiredChecksBytesMax);
  const { id } = (await newProject({ environment: { setup: setup.slice(1) } })).body;
  const environment = { env: { A: text(32 * kib), B: text(32 * kib) } };
  const changed = await fixture.call('PATCH', `/v1/projects/${id}`, { environment });
  expectTooLarge(changed, 'environment', limits.environmentBytesMax);
});

test('a session that starts with too much is refused before anything of it is there', async () => {
  const { id } = (await newProject({ environment: { setup: [text(120 * kib)] } })).body;
  const path = `/v1/projects/${id}/sessions`;
  const env = (bytes: number) => ({ env: { A: text(bytes / 2), B: text(bytes / 2) } });
  const refused = await startsNothing(() => fixture.call('POST', path, env(60 * kib)));
  expectTooLarge(refused, 'env', limits.sessionSpecBytesMax);
  expect((await fixture.call('POST', path, env(32 * kib))).status).toBe(201);
});

test('a trial that starts with too much is refused before anything of it is there, and one near the bound is started', async () => {
  const { id } = (await newProject({ environment: { setup: [text(116 * kib)] } })).body;
  const task = (await fixture.call('POST', `/v1/projects/${id}/tasks`, { title: 't' })).body;
  const trial = (commandKib: number) => ({ attempts: Array(8).fill({ commands: [text(commandKib * kib)] }) });
  const path = `/v1/tasks/${task.id}/trials`;
  const refused = await startsNothing(() => fixture.call('POST', path, trial(100)));
  expectTooLarge(refused, 'attempts', limits.trialSpecBytesMax);
  expect((await fixture.call('POST', path, trial(70))).status).toBe(201);
});

test('a chat begins with the longest message beside the largest environment, and not without a model', async () => {
  const { id } = (await newProject({ environment: { setup: [text(120 * kib)] } })).body;
  const path = `/v1/projects/${id}/chats`;
  const longest = '\u0001'.repeat(messageBytesMax);
  const refused = await startsNothing(() => fixture.call('POST', path, { text: longest }));
  expect(refused.body).toMatchObject({ status: 422, errors: [{ path: 'agent.model' }] });
  const made = await fixture.call('POST', path, { text: longest, agent: { model: 'custom/any' } });
  expect([made.status, made.body.turn.text]).toEqual([201, longest]);
});

test('an attempt of a trial has something to do, and an agent only for a message', async () => {
  const { id } = (await newProject({})).body;
  const task = (await fixture.call('POST', `/v1/projects/${id}/tasks`, { title: 't' })).body;
  const refused = async (attempt: object) => {
    const answer = await startsNothing(() =>
      fixture.call('POST', `/v1/tasks/${task.id}/trials`, { attempts: [{ message: 'm', agent }, attempt] }),
    );
    return [answer.status, answer.body.errors?.[0]?.path];
  };
  const agent = { model: 'custom/any' };
  expect(await refused({})).toEqual([422, 'attempts.1.message']);
  expect(await refused({ commands: ['true'], agent })).toEqual([422, 'attempts.1.message']);
  expect(await refused({ message: '' })).toEqual([422, 'attempts.1.message']);
  expect(await refused({ message: 'm' })).toEqual([422, 'attempts.1.agent.model']);
  expect(await refused({ message: 'm', agent: { ...agent, limits: { steps: 0 } } })).toEqual([
    422,
    'attempts.1.agent.limits.steps',
  ]);
  const started = await startsNothing(() => fixture.call('POST', `/v1/tasks/${task.id}/start`, { agent: {} }));
  expect(started.body).toMatchObject({ status: 422, errors: [{ path: 'agent.model' }] });
});
