import { execFile } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { newId } from '@worktrail/contract/ids';
import { type NatsServer, startNatsServer } from '@worktrail/testing/nats-server';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type NatsArtifactStore, openNatsArtifactStore } from '../artifacts/artifact-store-nats.ts';
import { openGit } from './git-program.ts';
import { createRepositoryMirrors, type RepositoryMirrors } from './repository-mirror.ts';
import { createRepositoryPins, type PinStore } from './repository-pins.ts';
import { log, makeRepository, noCredentials } from '../runner-bench.ts';
import { UpstreamAway } from '../sessions/session-failure.ts';
import { callGitAsChild } from '../host/git-call.ts';

const run = promisify(execFile);
const { signal } = new AbortController();
let scratch: Scratch;
let nats: NatsServer;
let connection: NatsConnection;
let artifacts: NatsArtifactStore;
let upstream: string;
let runners = 0;
const organizationId = newId('organization');
const projectId = newId('project');

beforeAll(async () => {
  scratch = await makeScratch('pins');
  nats = await startNatsServer(join(scratch.path, 'nats'));
  connection = await connect({ servers: nats.url });
  const jsm = await jetstreamManager(connection);
  const bounds = { replicas: 1, storeBytesMax: null, objectBytesMax: 1024 ** 3 };
  artifacts = await openNatsArtifactStore({ js: jetstream(connection), jsm, ...bounds, clock: Date.now });
});
afterAll(async () => {
  await connection.close();
  await nats.stop();
  await scratch.remove();
});
beforeEach(async () => {
  upstream = join(scratch.path, 'repositories', newId('event'));
  await makeRepository(upstream);
});

async function git(...args: string[]): Promise<string> {
  const identity = ['-c', 'user.name=t', '-c', 'user.email=t@example.org'];
  return (await run('git', [...identity, ...args], { cwd: upstream })).stdout.trim();
}

async function commit(name: string): Promise<string> {
  await writeFile(join(upstream, name), name);
  await git('add', '.');
  await git('commit', '-q', '-m', name);
  return git('rev-parse', 'HEAD');
}

/** As if upstream had thrown away what no branch leads to. */
async function prune(): Promise<void> {
  await git('reflog', 'expire', '--expire=now', '--all');
  await git('gc', '-q', '--prune=now');
}

async function newRunner(store: PinStore = artifacts): Promise<RepositoryMirrors> {
  runners += 1;
  const dataDirectory = join(scratch.path, `runner-${runners}`);
  const program = await openGit(dataDirectory, callGitAsChild, signal);
  const pins = createRepositoryPins({ git: program, artifacts: store, log, signal });
  const roots = { allowed: [join(scratch.path, 'repositories')], stateDirectory: dataDirectory, ssh: false };
  return createRepositoryMirrors({ dataDirectory, roots, git: program, pins, credentials: noCredentials });
}

const request = (baseRef: string | null = null) => ({
  organizationId,
  projectId,
  repository: { url: upstream, defaultBranch: 'main' },
  baseRef,
});

async function reads(mirrors: RepositoryMirrors, commitId: string): Promise<string> {
  const { objectsPath, baseCommit } = await mirrors.provide(request(), commitId);
  expect(baseCommit).toBe(commitId);
  return (await run('git', ['ls-tree', '-r', '--name-only', commitId], { cwd: join(objectsPath, '..') })).stdout;
}

test('a commit that upstream gave up by a force-push is had by a runner that never saw it', async () => {
  const first = await newRunner();
  const base = await commit('base');
  await first.sync(request());
  // Not itself a tip when it is lost.
  const tip = await commit('later');
  await first.sync(request());
  await git('reset', '-q', '--hard', 'HEAD~2');
  await commit('rewritten');
  await first.sync(request());
  await prune();
  const second = await newRunner();
  expect(await reads(second, base)).toContain('base');
  expect(await reads(second, tip)).toContain('later');
});

test('commits of a deleted branch, and what a second force-push takes away from under them, are had', async () => {
  const first = await newRunner();
  const ground = await commit('ground');
  await git('checkout', '-q', '-b', 'side');
  const side = await commit('side');
  await first.sync(request());
  await git('checkout', '-q', 'main');
  await git('branch', '-q', '-D', 'side');
  await first.sync(request());
  await git('reset', '-q', '--hard', 'HEAD~1');
  await first.sync(request());
  await prune();
  const second = await newRunner();
  expect(await reads(second, side)).toMatch(/ground\n(.*\n)*side/);
  expect(await reads(second, ground)).toContain('ground');
});

test('where the store was away, or the process died before it was asked, the next fetch stores them', async () => {
  let isAway = true;
  const unsteady: PinStore = {
    ...artifacts,
    put: async (...args) => {
      if (isAway) throw new Error('the store is away');
      return artifacts.put(...args);
    },
  };
  const first = await newRunner(unsteady);
  const lost = await commit('lost');
  await first.sync(request());
  await git('reset', '-q', '--hard', 'HEAD~1');
  await commit('other');
  await first.sync(request());
  await prune();
  await expect(reads(await newRunner(), lost)).rejects.toMatchObject({ code: 'base_ref_not_found' });
  isAway = false;
  await first.sync(request());
  expect(await reads(await newRunner(), lost)).toContain('lost');
});

test('with upstream away a runner opens what its mirror has, and says that upstream is away where it has nothing', async () => {
  const first = await newRunner();
  const base = await commit('base');
  await first.sync(request());
  await rm(join(upstream, '.git', 'objects'), { recursive: true });
  expect(await reads(first, base)).toContain('base');
  await expect(reads(await newRunner(), base)).rejects.toThrow(UpstreamAway);
});
