import { createServer } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { engineCandidates, engineVersion, findEngine, type RememberedEngine } from './docker-engine.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp('/tmp/wt-sock-');
});

afterEach(() => rm(directory, { recursive: true, force: true }));

function sockets(env: NodeJS.ProcessEnv, remembered: RememberedEngine | null): string[] {
  return engineCandidates(env, remembered, '/own.sock').map(({ socket }) => socket);
}

test('an engine named by WORKTRAIL_DOCKER_SOCKET is the only candidate', () => {
  const env = { WORKTRAIL_DOCKER_SOCKET: '/x.sock', DOCKER_HOST: 'unix:///y.sock' };
  expect(engineCandidates(env, { kind: 'own' }, '/own.sock')).toEqual([
    { socket: '/x.sock', source: 'WORKTRAIL_DOCKER_SOCKET', required: true },
  ]);
});

test('at first DOCKER_HOST is tried before the default socket, and only when it is a unix socket', () => {
  expect(sockets({ DOCKER_HOST: 'unix:///y.sock' }, null)).toEqual(['/own.sock', '/y.sock', '/var/run/docker.sock']);
  expect(sockets({ DOCKER_HOST: 'tcp://host:2375' }, null)).toEqual(['/own.sock', '/var/run/docker.sock']);
});

test('a cluster stays with the engine that holds its sessions, whatever else answers', () => {
  expect(sockets({ DOCKER_HOST: 'unix:///y.sock' }, { kind: 'own' })).toEqual(['/own.sock']);
  const [only, ...others] = engineCandidates({}, { kind: 'found', socket: '/z.sock' }, '/own.sock');
  expect(others).toEqual([]);
  expect(only).toMatchObject({ socket: '/z.sock', required: true });
});

test('a required engine that does not answer is an error, another is passed over', async () => {
  const socket = join(directory, 'none.sock');
  expect(await findEngine([{ socket, source: 'DOCKER_HOST', required: false }])).toBeNull();
  const required = findEngine([{ socket, source: 'WORKTRAIL_DOCKER_SOCKET', required: true }]);
  await expect(required).rejects.toThrow(`No Docker engine answers at ${socket}`);
});

test('something that listens but is no Docker engine does not count', async () => {
  const socket = join(directory, 'other.sock');
  const server = createServer((_, response) => response.end('hello'));
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  expect(await engineVersion(socket)).toBeNull();
  server.close();
});
