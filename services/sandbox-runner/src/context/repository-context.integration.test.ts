import { mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { newId } from '@worktrail/contract/ids';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { callGitAsChild } from '../host/git-call.ts';
import { openGit } from '../repositories/git-program.ts';
import { createRepositoryMirrors, type RepositoryMirrors } from '../repositories/repository-mirror.ts';
import { log, noCredentials } from '../runner-bench.ts';
import { makeTestRepository, type TestRepository } from './context-fixture.ts';
import type { BuildRequest } from './index-building.ts';
import { createIndexThread, type IndexThread, ThreadLost } from './index-thread.ts';
import {
  type ContextSearch,
  openRepositoryContext,
  type RepositoryContext,
  type RepositoryContextDeps,
} from './repository-context.ts';

const { signal } = new AbortController();
const organizationId = newId('organization');
let scratch: Scratch;
let upstream: TestRepository;
let mirrors: RepositoryMirrors;
let nowMs: number;
const open: RepositoryContext[] = [];

beforeEach(async () => {
  scratch = await makeScratch('context');
  upstream = await makeTestRepository(join(scratch.path, 'repositories', 'upstream'));
  const dataDirectory = join(scratch.path, 'data');
  const git = await openGit(dataDirectory, callGitAsChild, signal);
  const nothing = async () => undefined;
  const pins = { noteTips: nothing, keepLostTips: nothing, restore: nothing };
  const roots = { allowed: [join(scratch.path, 'repositories')], stateDirectory: dataDirectory, ssh: false };
  mirrors = createRepositoryMirrors({ dataDirectory, roots, git, pins, credentials: noCredentials });
  nowMs = 1_000_000;
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
  await scratch.remove();
});

async function openContext(more: Partial<RepositoryContextDeps> = {}): Promise<RepositoryContext> {
  const context = await openRepositoryContext({
    ...{ dataDirectory: join(scratch.path, 'data'), diskReserveBytes: 0, bytesMax: 1024 ** 3, mirrors, log },
    ...{ clock: () => nowMs, buildWaitMs: 60_000 },
    ...more,
  });
  open.push(context);
  return context;
}

function request(query: string, more: Partial<ContextSearch> = {}): ContextSearch {
  return {
    ...{ organizationId, projectId: newId('project'), repository: { url: upstream.path, defaultBranch: 'main' } },
    ...{ ref: null, query, limit: 10, kinds: ['symbol', 'text', 'file'], path: null, language: null },
    ...more,
  };
}

const indexes = async () => (await readdir(join(scratch.path, 'data', 'context', organizationId))).length;

test('the first search of a commit waits for its index; branch, tag and commit are each found as they are', async () => {
  const first = await upstream.commit({ 'a.ts': 'export function before() {}\n' });
  await upstream.git('tag', 'v1');
  const second = await upstream.commit({ 'a.ts': 'export function after() {}\n' });
  const context = await openContext();
  const found = async (query: string, ref: string | null) => {
    const { commit, hits } = await context.search(request(query, { ref, kinds: ['symbol'] }), signal);
    return { commit, names: hits.map(({ symbol }) => symbol!.name) };
  };
  const newest = await context.search(request('after'), signal);
  expect(newest).toMatchObject({ commit: second, repository: upstream.path, index: { complete: true, files: 1 } });
  expect(newest.hits[0]).toMatchObject({ path: 'a.ts', firstLine: 1, lastLine: 1, score: 1 });
  expect(await found('before', 'v1')).toEqual({ commit: first, names: ['before'] });
  expect(await found('before', first)).toEqual({ commit: first, names: ['before'] });
  expect(await found('before', 'main')).toEqual({ commit: second, names: [] });
  await expect(found('before', 'no-such-branch')).rejects.toMatchObject({ code: 'base_ref_not_found' });
  await expect(found('before', 'f'.repeat(40))).rejects.toMatchObject({ code: 'base_ref_not_found' });
});

test('a commit that came upstream is found once the last look is ten seconds old, and when upstream is gone what was there', async () => {
  await upstream.commit({ 'a.ts': 'export function one() {}\n' });
  const context = await openContext();
  const projectId = newId('project');
  const names = async () => {
    const asked = request('one two', { projectId, kinds: ['symbol'] });
    return (await context.search(asked, signal)).hits.map(({ symbol }) => symbol!.name).toSorted();
  };
  expect(await names()).toEqual(['one']);
  await upstream.commit({ 'b.ts': 'export function two() {}\n' });
  expect(await names()).toEqual(['one']);
  nowMs += 10_001;
  expect(await names()).toEqual(['one', 'two']);
  nowMs += 10_001;
  await rename(upstream.gitDirectory, `${upstream.gitDirectory}.away`);
  expect(await names()).toEqual(['one', 'two']);
});

test('organizations share nothing, projects of one share the index of their repository', async () => {
  await upstream.commit({ 'a.ts': 'export function one() {}\n' });
  const context = await openContext();
  await context.search(request('one'), signal);
  await context.search(request('one'), signal);
  expect(await indexes()).toBe(1);
  const other = newId('organization');
  await context.search(request('one', { organizationId: other }), signal);
  expect(await readdir(join(scratch.path, 'data', 'context'))).toEqual([organizationId, other].toSorted());
});

test('who asks beyond the wait is answered from what is there, and the index is made to its end', async () => {
  const commit = await upstream.commit({ 'a.ts': 'export function one() {}\n' });
  const going = Promise.withResolvers<void>();
  const real = createIndexThread({ kind: 'build', heapMbMax: 256, silentMsMax: 30_000, idleMsMax: 1_000 });
  const built: BuildRequest[] = [];
  const build: IndexThread = {
    async ask(asked, ...rest) {
      built.push(asked as BuildRequest);
      await going.promise;
      return real.ask(asked, ...rest);
    },
    close: () => real.close(),
  };
  const search = createIndexThread({ kind: 'search', heapMbMax: 256, silentMsMax: 30_000, idleMsMax: 1_000 });
  const context = await openContext({ threads: { build, search }, buildWaitMs: 50 });
  const early = await Promise.all([context.search(request('one'), signal), context.search(request('one'), signal)]);
  for (const { commit: at, hits, index } of early) {
    expect({ at, hits, index }).toMatchObject({ at: commit, hits: [], index: { complete: false, indexed: 0 } });
  }
  going.resolve();
  await expect.poll(async () => (await context.search(request('one'), signal)).index.complete).toBe(true);
  expect(built).toHaveLength(1);
});

test('a file that ends the thread which indexes it is indexed by its text alone', async () => {
  await upstream.commit({ 'a.ts': 'export function one() {}\n', 'b.ts': 'export function two() {}\n' });
  const hostile = await upstream.git('rev-parse', 'HEAD:a.ts');
  const real = createIndexThread({ kind: 'build', heapMbMax: 256, silentMsMax: 30_000, idleMsMax: 1_000 });
  const build: IndexThread = {
    async ask(asked, aborted, onProgress) {
      if ((asked as BuildRequest).plainBlobs.includes(hostile)) return real.ask(asked, aborted, onProgress);
      onProgress?.({ done: 0, of: 2, blob: hostile });
      throw new ThreadLost('it hung');
    },
    close: () => real.close(),
  };
  const search = createIndexThread({ kind: 'search', heapMbMax: 256, silentMsMax: 30_000, idleMsMax: 1_000 });
  const context = await openContext({ threads: { build, search } });
  const { hits } = await context.search(request('one two'), signal);
  expect(hits.filter(({ kind }) => kind === 'symbol').map(({ path }) => path)).toEqual(['b.ts']);
  expect(hits.filter(({ kind }) => kind === 'text').map(({ path }) => path)).toContain('a.ts');
});

test('beyond the bound of the disk the index that was used longest ago goes, and it is made again when it is asked for', async () => {
  await upstream.commit({ 'a.ts': 'export function one() {}\n' });
  const old = join(scratch.path, 'data', 'context', organizationId, 'old');
  mkdirSync(old, { recursive: true });
  writeFileSync(join(old, 'x.segment'), Buffer.alloc(100_000));
  utimesSync(old, 1, 1);
  const context = await openContext({ bytesMax: 50_000 });
  await context.search(request('one'), signal);
  await expect.poll(() => readdir(join(scratch.path, 'data', 'context', organizationId))).not.toContain('old');
  expect(await indexes()).toBe(1);
});

test('a thread that dies fails what it was asked, and the next request has a new one', async () => {
  const commit = await upstream.commit({ 'a.ts': 'export function one() {}\n' });
  const thread = createIndexThread({ kind: 'search', heapMbMax: 256, silentMsMax: 1, idleMsMax: 1_000 });
  const asked = { ...request('one'), repository: upstream.gitDirectory, directory: scratch.path, commit };
  await expect(thread.ask(asked, signal)).rejects.toBeInstanceOf(ThreadLost);
  await expect(thread.ask(asked, signal)).rejects.toBeInstanceOf(ThreadLost);
  await thread.close();
  await expect(thread.ask(asked, signal)).rejects.toThrow('stopping');
});
