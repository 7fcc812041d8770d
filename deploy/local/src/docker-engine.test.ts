import { createServer } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { engineCandidates, engineVersion, findEngine } from './docker-engine.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp('/tmp/wt-sock-');
});

afterEach(() => rm(directory, { recursive: true, force: true }));

test('an engine named by WORKTRAIL_DOCKER_SOCKET is the only candidate', () => {
  const candidates = engineCandidates({ WORKTRAIL_DOCKER_SOCKET: '/x.sock', DOCKER_HOST: 'unix:///y.sock' });
  expect(candidates).toEqual([{ socket: '/x.sock', source: 'WORKTRAIL_DOCKER_SOCKET', required: true }]);
});

test('DOCKER_HOST is tried before the default socket, and only when it is a unix socket', () => {
  const sockets = (env: NodeJS.ProcessEnv) => engineCandidates(env).map(({ socket }) => socket);
  expect(sockets({ DOCKER_HOST: 'unix:///y.sock' })).toEqual(['/y.sock', '/var/run/docker.sock']);
  expect(sockets({ DOCKER_HOST: 'tcp://host:2375' })).toEqual(['/var/run/docker.sock']);
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
