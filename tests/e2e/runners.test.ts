// A cluster of its own with two runners: one drains, one is lost for good. Sessions move with their files, and their history goes on.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import Docker from 'dockerode';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Api, createApi, followEvents, outputOf, type PublicEvent, readHistory } from './api.ts';
import { makeRepository } from './repository.ts';
import { type SecondRunner, startSecondRunner } from './second-runner.ts';
import { type RunningTestCluster, startTestCluster } from './test-cluster.ts';

let cluster: RunningTestCluster;
let api: Api;
let docker: Docker;
let projectId: string;
let firstId: string;
let second: SecondRunner;

beforeAll(async () => {
  cluster = await startTestCluster('runners');
  api = createApi(cluster.apiUrl, cluster.apiKey);
  docker = new Docker({ socketPath: cluster.dockerSocket });
  const repository = await makeRepository(join(cluster.repositoryRoot, 'runners'), 60);
  projectId = (await api.make('/v1/projects', { name: 'runners', repository: { url: repository.path } })).id;
  firstId = (await api.get('/v1/runners')).body.items[0].id;
  const directory = join(cluster.stateDirectory, 'second-runner');
  await mkdir(directory);
  const oneSlot = { WORKTRAIL_RUNNER_SESSIONS_MAX: '1' };
  second = await startSecondRunner(cluster.stateDirectory, join(directory, 'data'), oneSlot);
});

afterAll(async () => {
  await second.stop();
  await cluster.stop();
});

async function drain(runnerId: string, undo = false): Promise<void> {
  await api.make(`/v1/runners/${runnerId}/drain`, { undo });
}

const document = async (id: string) => (await api.get(`/v1/sessions/${id}`)).body;
const make = (title: string) => api.make(`/v1/projects/${projectId}/sessions?waitSeconds=280`, { title });
const run = (id: string, command: string) =>
  api.make(`/v1/sessions/${id}/commands?waitSeconds=280`, { command, stdin: '' });
const runningOn = (runnerId: string) => docker.listContainers({ filters: { label: [`worktrail.runner=${runnerId}`] } });
/** The runner that has the session's container. */
const hostOf = async (sessionId: string) =>
  (await docker.listContainers({ filters: { label: [`worktrail.session=${sessionId}`] } }))[0]?.Labels[
    'worktrail.runner'
  ];
const volumesOf = async (sessionId: string) =>
  (await docker.listVolumes({ filters: { label: [`worktrail.session=${sessionId}`] } })).Volumes ?? [];

/** Ready on the second runner, because the first one takes none once it has heard of that. */
async function makeOnSecond(title: string): Promise<any> {
  await drain(firstId);
  for (;;) {
    const session = await make(title);
    expect(session.state).toBe('ready');
    if ((await hostOf(session.id)) === second.id) {
      await drain(firstId, true);
      return session;
    }
    await api.make(`/v1/sessions/${session.id}/archive`);
  }
}

const fill = `printf 'a' > 'un tracked'; printf '#!/bin/sh\\n' > tool.sh; chmod 755 tool.sh; echo more >> README.md
git add README.md; mkdir -p deep/er; head -c 300000 /dev/urandom > deep/er/blob`;
const survey = `git status --porcelain; find . -path ./.git -prune -o -type f -printf '%P %m\\n' | sort
find . -path ./.git -prune -o -type f -print0 | sort -z | xargs -0 sha256sum`;

/** Each event once, and the numbers of each page's cursor only ever grow. */
function expectContinuous(events: PublicEvent[]): void {
  expect(new Set(events.map(({ cursor }) => cursor)).size).toBe(events.length);
  expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
  for (const { id, type } of events) expect([id, type]).not.toContain('gap');
}

test('a runner that drains lets its commands end, gives its sessions away with their files, and takes none', async () => {
  const session = await makeOnSecond('Moves');
  await run(session.id, fill);
  const before = (await run(session.id, survey)).output.text;
  const long = await api.make(`/v1/sessions/${session.id}/commands`, {
    command: 'echo begun; sleep 10; echo ended',
    stdin: '',
  });
  for await (const event of followEvents(api, cluster.apiKey, session.id))
    if (event.type === 'command.started' && event.commandId === long.id) break;
  await drain(second.id);
  await expect.poll(async () => (await document(session.id)).state).toBe('hibernated');
  expect((await api.get(`/v1/sessions/${session.id}/commands/${long.id}`)).body).toMatchObject({ exitCode: 0 });
  expect(await runningOn(second.id)).toEqual([]);
  expect(await hostOf((await make('New')).id)).toBe(firstId);

  expect((await run(session.id, survey)).output.text).toBe(before);
  expect(await hostOf(session.id)).toBe(firstId);
  const events = await readHistory(api, session.id);
  expectContinuous(events);
  expect(outputOf(events, long.id, 'stdout').toString()).toBe('begun\nended\n');
  expect(events.find(({ type }) => type === 'session.hibernated')?.data).toMatchObject({ reason: 'runner_draining' });
  expect(events.find(({ type }) => type === 'session.restored')?.data).toMatchObject({ runnerId: firstId });
  await drain(second.id, true);
  await expect
    .poll(async () => (await volumesOf(session.id)).map(({ Labels }) => Labels['worktrail.runner']), {
      timeout: 240_000,
      interval: 1_000,
    })
    .not.toContain(second.id);
});

test('while every runner drains a new session waits, visibly, and is placed when one takes sessions again', async () => {
  for (const id of [firstId, second.id]) await drain(id);
  await expect
    .poll(async () => (await api.get('/v1/runners')).body.items.map((one: { draining: boolean }) => one.draining))
    .toEqual([true, true]);
  const settled = async ({ id }: { id: string }) => {
    for await (const { type } of followEvents(api, cluster.apiKey, id))
      if (type === 'limit.reached' || type === 'session.ready') return type;
    return undefined;
  };
  const wait = () => api.make(`/v1/projects/${projectId}/sessions`, { title: 'Waits' });
  let session = await wait();
  // A runner takes one still, until it has heard of its order.
  for (; (await settled(session)) === 'session.ready'; session = await wait())
    await api.make(`/v1/sessions/${session.id}/archive`);
  await expect.poll(async () => (await document(session.id)).queuePosition).toBe(1);
  for (const id of [firstId, second.id]) await drain(id, true);
  await expect.poll(async () => (await document(session.id)).state).toBe('ready');
  await expect.poll(async () => (await document(session.id)).queuePosition ?? null).toBeNull();
});

test('when a runner is lost for good its session works on another within 45 s, and the one that comes back cleans up', async () => {
  const session = await makeOnSecond('Loses its host');
  const filled = await run(session.id, fill);
  const surveyed = await run(session.id, survey);
  const before = surveyed.output.text;
  const checkpointed = async () => {
    const { items } = (await api.get(`/v1/sessions/${session.id}/checkpoints`)).body;
    return items.some(({ commandId }: { commandId: string }) => [filled.id, surveyed.id].includes(commandId));
  };
  await expect.poll(checkpointed).toBe(true);
  const lost = await api.make(`/v1/sessions/${session.id}/commands`, {
    command: 'echo last words; sleep 600',
    stdin: '',
  });
  await expect
    .poll(async () => outputOf(await readHistory(api, session.id), lost.id, 'stdout').toString())
    .toBe('last words\n');

  const killedMs = Date.now();
  await second.kill();
  // Its containers go on, as those of a host do that nobody can reach.
  await expect
    .poll(async () => (await api.get(`/v1/sessions/${session.id}/commands/${lost.id}`)).body.outcome)
    .toBe('host_lost');
  const after = await run(session.id, survey);
  const tookMs = Date.now() - killedMs;
  console.log(`a session works ${Math.round(tookMs / 1_000)} s after its host was lost`);
  expect(tookMs).toBeLessThan(45_000);
  expect(after.output.text).toBe(before);
  const events = await readHistory(api, session.id);
  expectContinuous(events);
  const restored = events.find(({ type }) => type === 'session.restored');
  expect(restored?.data).toMatchObject({ runnerId: firstId, notKept: expect.arrayContaining(['ignored files']) });
  expect(restored?.data['checkpointId']).toMatch(/^chk_/);

  expect(await runningOn(second.id)).toHaveLength(1);
  await second.start();
  await expect.poll(() => runningOn(second.id)).toEqual([]);
  await expect
    .poll(async () => (await volumesOf(session.id)).map(({ Labels }) => Labels['worktrail.runner']))
    .not.toContain(second.id);
  expect((await run(session.id, 'git status --porcelain | wc -l')).exitCode).toBe(0);
});

test('without a free slot the session that has been idle longest gives way, and comes back when it is used', async () => {
  const first = await makeOnSecond('Gives way');
  await run(first.id, fill);
  const before = (await run(first.id, survey)).output.text;
  await drain(firstId);
  const session = await api.make(`/v1/projects/${projectId}/sessions?waitSeconds=280`, { title: 'Needs the slot' });
  expect(session.state).toBe('ready');
  expect(await hostOf(session.id)).toBe(second.id);
  const asleep = (await readHistory(api, first.id)).filter(({ type }) => type === 'session.hibernated');
  expect(asleep.map(({ data }) => data['reason'])).toEqual(['slot_needed']);
  const busy = await api.make(`/v1/sessions/${session.id}/commands`, { command: 'sleep 8; echo done', stdin: '' });
  expect((await run(first.id, survey)).output.text).toBe(before);
  expect((await api.get(`/v1/sessions/${session.id}/commands/${busy.id}`)).body).toMatchObject({
    state: 'ended',
    exitCode: 0,
  });
  await drain(firstId, true);
});
