// Where the commits of a session can be read: in its own store on this host, or in a copy of it that is made from its bundles.
//
// 1. Nothing of a session is changed by reading, and nothing waits for it: its own store is read beside whoever writes there, who only
//    ever adds to it.
// 2. A copy lies outside of all sessions' directories. At most `copiesMax` are kept for the next reader, each for `copyIdleMsMax` after the
//    last; those of an earlier process are removed at the start.

import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { CheckpointRef, StoredArtifact } from '@worktrail/contract/checkpoints';
import { WorktrailError } from '@worktrail/contract/errors';
import { isId } from '@worktrail/contract/ids';
import type { SessionFilesRef, TreeRef } from '@worktrail/contract/session-files';
import type { ArtifactStore } from '../artifacts/artifact-store.ts';
import { fillStore } from '../checkpoints/checkpoint-engine.ts';
import { checkObjects, openSessionStore } from '../checkpoints/session-store.ts';
import { bundlesAmong } from '../checkpoints/stored-bundles.ts';
import { createStoreGit, GitFailed, type StoreGit } from '../checkpoints/store-git.ts';
import { createKeyedLock } from '../host/keyed-lock.ts';
import type { StartProgram } from '../host/program-start.ts';
import type { RepositoryMirrors } from '../repositories/repository-mirror.ts';

export interface SessionReading {
  /** Calls `work` with a repository in which all of these are. */
  read<T>(
    session: SessionFilesRef,
    trees: readonly TreeRef[],
    signal: AbortSignal,
    work: (git: StoreGit) => Promise<T>,
  ): Promise<T>;
  close(): Promise<void>;
}

export interface SessionReadingDeps {
  start: StartProgram;
  dataDirectory: string;
  /** Where a session's directory is on this host. */
  sessionPath: (sessionId: string) => string;
  artifacts: Pick<ArtifactStore, 'get'> & { find(name: string): Promise<StoredArtifact | undefined> };
  mirrors: Pick<RepositoryMirrors, 'provide'>;
  diskReserveBytes: number;
  clock: () => number;
}

const copiesMax = 16;
const copyIdleMsMax = 10 * 60_000;

interface Copy {
  readers: number;
  lastReadMs: number;
}

export async function openSessionReading(deps: SessionReadingDeps): Promise<SessionReading> {
  const root = join(deps.dataDirectory, 'reading');
  await rm(root, { recursive: true, force: true });
  const copies = new Map<string, Copy>();
  const lock = createKeyedLock();
  const pathOf = (sessionId: string) => join(root, sessionId);

  async function tidy(): Promise<void> {
    const idle = [...copies]
      .filter(([, { readers }]) => readers === 0)
      .sort((a, b) => b[1].lastReadMs - a[1].lastReadMs);
    const isOld = ({ lastReadMs }: Copy) => deps.clock() - lastReadMs > copyIdleMsMax;
    for (const [index, [sessionId, copy]] of idle.entries()) {
      if (index < copiesMax && !isOld(copy)) continue;
      await lock.run(sessionId, async () => {
        if (copies.get(sessionId)?.readers !== 0) return;
        copies.delete(sessionId);
        await rm(pathOf(sessionId), { recursive: true, force: true });
      });
    }
  }
  const timer = setInterval(() => void tidy().catch(() => undefined), copyIdleMsMax / 2);
  timer.unref();

  async function fillCopy(session: SessionFilesRef, trees: readonly TreeRef[], signal: AbortSignal): Promise<StoreGit> {
    const { sessionId, organizationId, projectId, repository, baseCommit } = session;
    const path = pathOf(sessionId);
    const { objectsPath } = await deps.mirrors.provide({ organizationId, projectId, repository }, baseCommit);
    const store = await openSessionStore(
      { start: deps.start, sessionPath: path, upstreamObjects: objectsPath, baseCommit },
      signal,
    );
    if (await hasAll(store.git, session, trees, signal)) return store.git;
    const checkpoint = newest(trees);
    if (!checkpoint) throw new GitFailed(`the copy of ${sessionId} does not have its base commit`);
    const bundles = await findBundles(deps.artifacts, session);
    const limits = { diskReserveBytes: deps.diskReserveBytes };
    await fillStore({ artifacts: deps.artifacts, limits }, store, { sessionPath: path, checkpoint, bundles }, signal);
    return store.git;
  }

  /** A copy that turns out to be of no use is made anew, once. */
  async function openCopy(session: SessionFilesRef, trees: readonly TreeRef[], signal: AbortSignal): Promise<StoreGit> {
    try {
      return await fillCopy(session, trees, signal);
    } catch (error) {
      if (!(error instanceof GitFailed) || (copies.get(session.sessionId)?.readers ?? 0) > 1) throw error;
      await rm(pathOf(session.sessionId), { recursive: true, force: true });
      return fillCopy(session, trees, signal);
    }
  }

  return {
    async read(session, trees, signal, work) {
      const { sessionId } = session;
      if (!isId(sessionId, 'session')) throw new WorktrailError('malformed_request', 'malformed session id');
      const commits = trees.map((tree) => commitOf(session, tree));
      if (![session.baseCommit, ...commits].every((commit) => /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(commit))) {
        throw new WorktrailError('malformed_request', 'malformed commit id');
      }
      const own = join(deps.sessionPath(sessionId), 'store.git');
      if (existsSync(own)) {
        const git = createStoreGit(own, deps.start);
        if (await hasAll(git, session, trees, signal).catch(() => false)) return work(git);
        signal.throwIfAborted();
      }
      const copy = copies.get(sessionId) ?? { readers: 0, lastReadMs: 0 };
      copies.set(sessionId, copy);
      copy.readers += 1;
      try {
        return await work(await lock.run(sessionId, () => openCopy(session, trees, signal)));
      } finally {
        copy.readers -= 1;
        copy.lastReadMs = deps.clock();
        await tidy();
      }
    },
    async close() {
      clearInterval(timer);
    },
  };
}

export function commitOf({ baseCommit }: Pick<SessionFilesRef, 'baseCommit'>, tree: TreeRef): string {
  return tree?.commit ?? baseCommit;
}

async function hasAll(
  git: StoreGit,
  session: SessionFilesRef,
  trees: readonly TreeRef[],
  signal: AbortSignal,
): Promise<boolean> {
  const names = trees.map((tree) => `${commitOf(session, tree)}^{tree}`);
  const found = await checkObjects(git, names, signal);
  return found.every((one) => one?.type === 'tree');
}

function newest(trees: readonly TreeRef[]): CheckpointRef | undefined {
  return trees.filter((tree) => tree !== null).toSorted((a, b) => b.number - a.number)[0];
}

/** Those that the session's newest document names. @throws dependency_unavailable where they have just been put together. */
async function findBundles(
  artifacts: SessionReadingDeps['artifacts'],
  { artifacts: names, sessionId }: SessionFilesRef,
): Promise<StoredArtifact[]> {
  const bundles: StoredArtifact[] = [];
  for (const name of bundlesAmong(names)) {
    const found = await artifacts.find(name);
    if (!found) throw new WorktrailError('dependency_unavailable', `a bundle of ${sessionId} is being replaced`);
    bundles.push(found);
  }
  return bundles;
}
