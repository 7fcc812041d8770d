// The index of a project's repository: asked for a commit, and made as far as that needs it.
//
// 1. It is made of the mirror's objects alone, outside of any sandbox, one directory for each organization and mirror: what a project's own
//    credential opens is found by that project alone, as its mirror is (decision 21).
// 2. Who asks for a commit that is not indexed waits for it, `buildWaitMs` at most: then it is answered from what there is, and the answer
//    says so. The index is made to its end also when nobody waits any more.
// 3. One commit at a time is indexed on a host, in the order in which they were asked for, in a thread of its own; searches have another.
// 4. Upstream is asked for a ref that was not looked up within `upstreamAgainMs`; where it is away, what is mirrored will do.

import { mkdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { ContextAnswer, ContextSearchRequest } from '@worktrail/contract/context';
import { WorktrailError } from '@worktrail/contract/errors';
import type { Logger } from '@worktrail/runtime/log';
import { createTurns } from '@worktrail/runtime/turns';
import { requireDiskSpace } from '../host/disk-space.ts';
import { createStartGate } from '../host/start-gate.ts';
import type { RepositoryMirrors, SyncRequest, Upstream } from '../repositories/repository-mirror.ts';
import { SessionFailure } from '../sessions/session-failure.ts';
import type { BuildProgress, BuildRequest, BuildResult } from './index-building.ts';
import type { SearchRequest, SearchResult } from './index-searching.ts';
import { findIndexes, makeIndexSpace } from './index-space.ts';
import { createIndexThread, type IndexThread, ThreadLost } from './index-thread.ts';
import { removeScratch } from './segment-files.ts';

export type ContextSearch = Omit<ContextSearchRequest, 'within'> & { projectId: string };
export type ContextPlace = Pick<ContextSearch, 'organizationId' | 'projectId' | 'repository' | 'ref'>;

/** An index that was made to its end, as far as its files could be read. */
export interface PreparedIndex {
  /** Of the mirror. */
  repository: string;
  directory: string;
  commit: string;
}

export interface RepositoryContext {
  /** @throws SessionFailure where there is no such repository or ref, WorktrailError `rate_limited` */
  search(request: ContextSearch, signal: AbortSignal): Promise<ContextAnswer>;
  /** Waits for the commit's index, however long it takes. @throws as `search` does */
  prepare(request: ContextPlace, signal: AbortSignal): Promise<PreparedIndex>;
  close(): Promise<void>;
}

export interface RepositoryContextDeps {
  dataDirectory: string;
  diskReserveBytes: number;
  /** Of all indexes together. */
  bytesMax: number;
  mirrors: Pick<RepositoryMirrors, 'sync' | 'present' | 'provide'>;
  clock: () => number;
  log: Logger;
  buildWaitMs?: number;
  /** Instead of real ones. */
  threads?: { build: IndexThread; search: IndexThread };
}

const buildWaitMsDefault = 10_000;
const upstreamAgainMs = 10_000;
const lookedUpMax = 1_000;
const buildsMax = 64;
const buildsPerOrganizationMax = 16;
/** Each may wait for a build. */
const searchesMax = 48;
const searchesPerOrganizationMax = 24;
const turnMsMax = 5_000;
/** Of one build: a thread that was lost is a file that it could not take, which is then indexed by its text alone. */
const lostMax = 3;
const keptCommitsMax = 16;
const progressEveryMs = 5_000;
const searchSilentMsMax = 20_000;
const buildSilentMsMax = 120_000;
const idleMsMax = 300_000;

/** What an earlier process was writing is gone. */
export async function openRepositoryContext(deps: RepositoryContextDeps): Promise<RepositoryContext> {
  const { clock, log } = deps;
  const root = join(deps.dataDirectory, 'context');
  await mkdir(root, { recursive: true, mode: 0o700 });
  for (const { directory } of await findIndexes(root)) removeScratch(directory);
  const threads = deps.threads ?? {
    build: createIndexThread({ kind: 'build', heapMbMax: 1_024, silentMsMax: buildSilentMsMax, idleMsMax: 30_000 }),
    search: createIndexThread({ kind: 'search', heapMbMax: 512, silentMsMax: searchSilentMsMax, idleMsMax }),
  };
  const lookedUp = new Map<string, { upstream: Upstream; atMs: number }>();
  /** By directory: the commits searched last, the last one at the end. */
  const searched = new Map<string, string[]>();
  const builds = new Map<string, Promise<void>>();
  const turn = createStartGate(1);
  const turns = createTurns({
    totalMax: searchesMax,
    perKeyMax: searchesPerOrganizationMax,
    waitMsMax: turnMsMax,
  });
  const closing = new AbortController();

  async function findUpstream({ organizationId, projectId, repository, ref }: ContextPlace): Promise<Upstream> {
    const key = JSON.stringify([organizationId, projectId, repository, ref]);
    const before = lookedUp.get(key);
    if (before && clock() - before.atMs < upstreamAgainMs) return before.upstream;
    const upstream = await askUpstream(deps, { organizationId, projectId, repository, baseRef: ref });
    lookedUp.delete(key);
    lookedUp.set(key, { upstream, atMs: clock() });
    if (lookedUp.size > lookedUpMax) lookedUp.delete(lookedUp.keys().next().value!);
    return upstream;
  }

  function note(directory: string, commit: string): void {
    const commits = (searched.get(directory) ?? []).filter((one) => one !== commit);
    searched.delete(directory);
    searched.set(directory, [...commits, commit].slice(-keptCommitsMax));
    if (searched.size > lookedUpMax) searched.delete(searched.keys().next().value!);
  }

  /** Those that come for the same commit meanwhile share it. */
  function build(at: PreparedIndex): Promise<void> {
    const key = join(at.directory, at.commit);
    const running = builds.get(key);
    if (running) return running;
    const own = builds
      .keys()
      .filter((one) => dirname(dirname(one)) === dirname(at.directory))
      .toArray().length;
    if (builds.size >= buildsMax || own >= buildsPerOrganizationMax)
      throw new WorktrailError('rate_limited', `${builds.size} commits are waiting to be indexed`);
    const started = turn
      .run(() => make(at))
      .finally(() => builds.delete(key))
      .catch((error: unknown) => {
        if (!closing.signal.aborted) log.warn({ err: error, commit: at.commit }, 'a commit could not be indexed');
        throw error;
      });
    builds.set(key, started);
    return started;
  }

  async function make(at: PreparedIndex): Promise<void> {
    closing.signal.throwIfAborted();
    await requireDiskSpace([root], deps.diskReserveBytes);
    const startedMs = clock();
    const plainBlobs: string[] = [];
    for (let lost = 0; ; lost++) {
      let last: BuildProgress | undefined;
      let toldMs = clock();
      const onProgress = (progress: unknown) => {
        last = progress as BuildProgress;
        if (clock() - toldMs < progressEveryMs) return;
        toldMs = clock();
        log.info({ commit: at.commit, done: last.done, of: last.of }, 'a commit is being indexed');
      };
      const request: BuildRequest = { ...at, keptCommits: searched.get(at.directory) ?? [], plainBlobs };
      try {
        const result = (await threads.build.ask(request, closing.signal, onProgress)) as BuildResult;
        log.info({ commit: at.commit, ...result, ms: clock() - startedMs }, 'a commit is indexed');
        break;
      } catch (error) {
        const blob = last?.blob;
        if (!(error instanceof ThreadLost) || !blob || lost === lostMax) throw error;
        log.warn({ commit: at.commit, blob, reason: error.message }, 'a file ended the thread that indexed it');
        plainBlobs.push(blob);
      }
    }
    const gone = await makeIndexSpace(root, deps.bytesMax, new Set([at.directory]));
    if (gone.length > 0) log.info({ count: gone.length }, 'indexes that were used longest ago are removed');
  }

  function placeOf(upstream: Upstream, organizationId: string): PreparedIndex {
    const mirror = dirname(upstream.objectsPath);
    const directory = join(root, organizationId, basename(mirror, '.git'));
    note(directory, upstream.baseCommit);
    return { repository: mirror, directory, commit: upstream.baseCommit };
  }

  async function prepare(request: ContextPlace, signal: AbortSignal): Promise<PreparedIndex> {
    const at = placeOf(await findUpstream(request), request.organizationId);

    await Promise.race([build(at), aborted(signal)]);
    return at;
  }

  async function search(request: ContextSearch, signal: AbortSignal): Promise<ContextAnswer> {
    const upstream = await findUpstream(request);
    const at = placeOf(upstream, request.organizationId);
    const { query, limit, kinds, path, language } = request;
    const asked: SearchRequest = { ...at, query, limit, kinds, path, language };
    const ask = async () => (await threads.search.ask(asked, signal)) as SearchResult;
    let found = await ask();
    if (found.missing > 0) {
      await within(build(at), deps.buildWaitMs ?? buildWaitMsDefault, signal);
      found = await ask();
    }
    const { hits, files, indexed, skipped, missing } = found;
    const index = { complete: missing === 0, files, indexed, skipped };
    return { commit: at.commit, repository: upstream.url, hits, index };
  }

  return {
    prepare,
    search: (request, signal) => turns.take(request.organizationId, signal, () => search(request, signal)),
    async close() {
      closing.abort(new Error('the runner is stopping'));
      await Promise.allSettled(builds.values());
      await Promise.all([threads.build.close(), threads.search.close()]);
    },
  };
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const give = () => reject(signal.reason as Error);
    if (signal.aborted) give();
    else signal.addEventListener('abort', give, { once: true });
  });
}

/** Resolves when it is done, or late: then what fails has been told. */
async function within(work: Promise<void>, ms: number, signal: AbortSignal): Promise<void> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), ms);
  const ended = AbortSignal.any([late.signal, signal]);
  const over = new Promise<void>((resolve) => ended.addEventListener('abort', () => resolve(), { once: true }));
  try {
    await Promise.race([work, over]);
    signal.throwIfAborted();
  } finally {
    clearTimeout(timer);
    work.catch(() => undefined);
  }
}

async function askUpstream({ mirrors, log }: RepositoryContextDeps, request: SyncRequest): Promise<Upstream> {
  const { baseRef } = request;
  if (baseRef !== null && /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(baseRef)) return mirrors.provide(request, baseRef);
  try {
    return await mirrors.sync(request);
  } catch (error) {
    const isAway = error instanceof SessionFailure && error.code === 'repository_unreachable';
    const present = isAway ? await mirrors.present(request) : undefined;
    if (!present) throw error;
    log.info({ projectId: request.projectId, reason: (error as Error).message }, 'searched as it was mirrored');
    return present;
  }
}
