// A cluster of its own, with a grace of a second: nothing of a healthy one has no counterpart, and what is put there by hand goes.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { newId } from '@worktrail/contract/ids';
import { toolPath } from '@worktrail/testing/tool-paths';
import Docker from 'dockerode';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Answer, type Api, createApi, hibernate } from './api.ts';
import { makeRepository } from './repository.ts';
import { type RunningTestCluster, startTestCluster } from './test-cluster.ts';

const program = join(import.meta.dirname, '../../packages/cli/src/main.ts');
const docker = new Docker({ socketPath: toolPath('WORKTRAIL_DOCKER_SOCKET') });
let cluster: RunningTestCluster;
let api: Api;
let projectId: string;
let organizationId: string;

beforeAll(async () => {
  cluster = await startTestCluster('doctor', { WORKTRAIL_RECONCILE_GRACE_SECONDS: '1' });
  const repository = await makeRepository(join(cluster.repositoryRoot, 'one'), 5);
  api = createApi(cluster.apiUrl, cluster.apiKey);
  projectId = (await api.make('/v1/projects', { name: 'one', repository: { url: repository.path } })).id;
  organizationId = (await api.get('/v1/me')).body.organization.id;
});

afterAll(() => cluster.stop());

const newSession = (title: string) => api.make(`/v1/projects/${projectId}/sessions?waitSeconds=280`, { title });
const run = (sessionId: string, command: string) =>
  api.make(`/v1/sessions/${sessionId}/commands?waitSeconds=280`, { command, stdin: '' });
const namesIn = ({ body }: Answer): string[] => body.findings.map((one: any) => one.name);

async function doctorProgram(...args: string[]): Promise<{ code: number; stdout: string }> {
  const env = { ...process.env, WORKTRAIL_HOME: cluster.stateDirectory, NO_COLOR: '1' };
  const child = spawn(process.execPath, [program, 'doctor', ...args], { env });
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  const [code] = await once(child, 'close');
  return { code: code as number, stdout };
}

test('a healthy cluster with sessions that live, sleep, woke up and are archived has nothing without its counterpart', async () => {
  const [live, asleep, woken, archived] = await Promise.all(['Live', 'Asleep', 'Woken', 'Archived'].map(newSession));
  for (const { id } of [live, asleep, woken, archived]) await run(id, 'echo changed > file');
  for (const { id } of [asleep, woken]) await hibernate(api, id);
  await run(woken.id, 'cat file');
  await api.make(`/v1/sessions/${archived.id}/archive`);
  const task = await api.make(`/v1/projects/${projectId}/tasks`, { title: 'Two ways' });
  await api.make(`/v1/tasks/${task.id}/trials`, {
    attempts: [{ commands: ['sleep 600'] }, { commands: ['true'] }],
    maxParallel: 1,
  });
  let first = await api.get('/v1/doctor');
  // A part that is busy is left out.
  while (first.body.incomplete?.length > 0) first = await api.get('/v1/doctor');
  expect(first).toMatchObject({ status: 200, body: { findings: [], truncated: false, incomplete: [] } });
  const { removed } = (await api.post('/v1/doctor/fix')).body;
  expect(removed.filter(({ kind }: any) => kind !== 'artifact')).toEqual([]);
  expect((await run(live.id, 'cat file')).output.text).toBe('changed\n');
  expect((await run(asleep.id, 'cat file')).output.text).toBe('changed\n');
  expect(await doctorProgram()).toMatchObject({ code: 0 });
});

test('what is put there by hand is listed, and removed once its grace is over; what is of another organization is not shown', async () => {
  const live = await newSession('Beside');
  const filters = { label: [`worktrail.session=${live.id}`] };
  const [container] = await docker.listContainers({ filters });
  const labels = (organization: string) => ({
    ...container!.Labels,
    'worktrail.organization': organization,
    'worktrail.session': newId('session'),
    'worktrail.generation': '1',
  });
  const own = labels(organizationId);
  const others = labels(newId('organization'));
  const orphan = await docker.createContainer({ Image: container!.ImageID, Cmd: ['true'], Labels: own });
  const [volume, hidden] = [own, others].map((one) => `worktrail-e2e-${one['worktrail.session']}`);
  await docker.createVolume({ Name: volume!, Labels: own });
  await docker.createVolume({ Name: hidden!, Labels: others });
  try {
    const listed = namesIn(await api.get('/v1/doctor'));
    expect(listed).toEqual(expect.arrayContaining([orphan.id, volume]));
    expect(listed).not.toContain(hidden);
    const table = await doctorProgram();
    expect(table).toMatchObject({ code: 1, stdout: expect.stringContaining('its session is unknown') });

    const removed: string[] = [];
    await expect
      .poll(async () => {
        const fixed = (await api.post('/v1/doctor/fix')).body;
        removed.push(...fixed.removed.map((one: any) => one.name));
        return fixed.findings;
      })
      .toEqual([]);
    expect(removed).toEqual(expect.arrayContaining([orphan.id, volume]));
    expect(removed).not.toContain(hidden);
    await expect(orphan.inspect()).rejects.toMatchObject({ statusCode: 404 });
    await expect(docker.getVolume(volume!).inspect()).rejects.toMatchObject({ statusCode: 404 });
    await docker.getVolume(hidden!).inspect();
    expect(await docker.listContainers({ filters })).toHaveLength(1);
    expect(await doctorProgram('--fix')).toMatchObject({ code: 0 });
    const audited = (await api.get('/v1/audit')).body.items.map(({ action }: any) => action);
    expect(audited).toContain('doctor.fixed');
  } finally {
    await orphan.remove({ force: true }).catch(() => undefined);
    for (const name of [volume, hidden])
      await docker
        .getVolume(name!)
        .remove()
        .catch(() => undefined);
  }
});

test('who may not administer may not ask the doctor', async () => {
  const { principal } = (await api.get('/v1/me')).body;
  const key = await api.make('/v1/keys', { principalId: principal.id, scopes: ['read', 'run'] });
  const user = createApi(cluster.apiUrl, key.secret);
  expect((await user.get('/v1/doctor')).body.code).toBe('scope_missing');
  expect((await user.post('/v1/doctor/fix')).body.code).toBe('scope_missing');
});
