// Commits that upstream had and has no more, by a force-push or a deleted branch: sessions began with them.
//
// 1. A tip that a fetch makes unreachable is pinned in the mirror by a hidden ref, also where the process died in between: the tips
//    before a fetch are written down until that is done.
// 2. A pinned commit is bundled to the artifact store, for runners whose mirror never had it. Where the store is away, the next fetch
//    tries again; a fetch never fails for it.
// 3. A bundle holds what upstream's present refs do not lead to. What it builds on may be lost later: that is then bundled itself.
//
//   <mirror>/worktrail-tips        commits, one a line
//   refs/worktrail/pinned/<commit>   kept here, not yet stored
//   refs/worktrail/stored/<commit>   kept here, and stored as <organization>/upstream/<mirror>/<commit>

import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '@worktrail/runtime/log';
import type { ArtifactStore } from '../artifacts/artifact-store.ts';
import type { Git } from './git-program.ts';

/** A force-push of many branches at once is stored by several fetches. */
const storedAtOnceMax = 32;
const askedAtOnceMax = 500;
/** Of bundles looked through for one commit. */
const bundlesMax = 512;
const storeMsMax = 60_000;

export interface PinnedMirror {
  path: string;
  organizationId: string;
  /** The same on every host. */
  name: string;
}

export interface RepositoryPins {
  /** Before a fetch. */
  noteTips(mirror: PinnedMirror): Promise<void>;
  /** After a fetch. Never rejects. */
  keepLostTips(mirror: PinnedMirror): Promise<void>;
  /** Fetches bundles of this mirror until the commit is there, or there are no more. */
  restore(mirror: PinnedMirror, commit: string): Promise<void>;
}

/** As far as pins need one. */
export interface PinStore extends ArtifactStore {
  list(prefix: string): Promise<string[]>;
  find(name: string): Promise<Parameters<ArtifactStore['get']>[0] | undefined>;
}

export function createRepositoryPins({
  git,
  artifacts,
  log,
  signal,
}: {
  git: Git;
  artifacts: PinStore;
  log: Logger;
  signal: AbortSignal;
}): RepositoryPins {
  const notedPath = ({ path }: PinnedMirror) => join(path, 'worktrail-tips');
  const prefixOf = ({ organizationId, name }: PinnedMirror) => `${organizationId}/upstream/${name}/`;
  const readNoted = async (mirror: PinnedMirror) =>
    (await readFile(notedPath(mirror), 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');

  async function tips({ path }: PinnedMirror): Promise<string[]> {
    const format = '--format=%(objecttype) %(objectname)%0a%(*objecttype) %(*objectname)';
    const printed = await git(path, ['for-each-ref', format, 'refs/heads', 'refs/tags']);
    const commits = printed.split('\n').flatMap((line) => /^commit ([0-9a-f]+)$/.exec(line)?.[1] ?? []);
    return [...new Set(commits)];
  }

  async function pinLost(mirror: PinnedMirror): Promise<void> {
    const { path } = mirror;
    const now = new Set(await tips(mirror));
    const moved = (await readNoted(mirror)).filter((commit) => !now.has(commit));
    for (let start = 0; start < moved.length; start += askedAtOnceMax) {
      const asked = moved.slice(start, start + askedAtOnceMax);
      const printed = await git(path, ['rev-list', ...asked, '--not', '--branches', '--tags']);
      const lost = new Set(printed.split('\n'));
      for (const commit of asked) {
        if (!lost.has(commit) || (await hasRef(path, `refs/worktrail/stored/${commit}`))) continue;
        await git(path, ['update-ref', `refs/worktrail/pinned/${commit}`, commit]);
      }
    }
    await rm(notedPath(mirror), { force: true });
  }

  // A failure without a word counts as success where git is run.
  const hasRef = async (path: string, ref: string) =>
    (await git(path, ['for-each-ref', '--format=%(objectname)', ref])).trim() !== '';

  async function storePinned(mirror: PinnedMirror): Promise<void> {
    const { path } = mirror;
    const printed = await git(path, ['for-each-ref', '--format=%(objectname)', 'refs/worktrail/pinned']);
    const commits = printed.split('\n').filter((line) => line !== '');
    for (const commit of commits.slice(0, storedAtOnceMax)) {
      const scratch = await mkdtemp(join(path, 'worktrail-bundle-'));
      try {
        const file = join(scratch, 'bundle');
        const ref = `refs/worktrail/pinned/${commit}`;
        await git(path, ['bundle', 'create', '--quiet', file, ref, '--not', '--branches', '--tags']);
        const name = `${prefixOf(mirror)}${commit}`;
        // Another runner, which sees other refs, may have stored it.
        const until = AbortSignal.any([signal, AbortSignal.timeout(storeMsMax)]);
        if (!(await artifacts.find(name))) await artifacts.put(name, file, until);
        await git(path, ['update-ref', `refs/worktrail/stored/${commit}`, commit]);
        await git(path, ['update-ref', '-d', ref]);
      } finally {
        await rm(scratch, { recursive: true, force: true });
      }
    }
  }

  return {
    async noteTips(mirror) {
      // What an earlier fetch did not come to is not forgotten.
      const noted = new Set([...(await readNoted(mirror)), ...(await tips(mirror))]);
      const temporary = `${notedPath(mirror)}.new`;
      await writeFile(temporary, [...noted].join('\n'), { mode: 0o600 });
      await rename(temporary, notedPath(mirror));
    },

    async keepLostTips(mirror) {
      try {
        await pinLost(mirror);
        await storePinned(mirror);
      } catch (error) {
        if (!signal.aborted)
          log.warn({ err: error, mirror: mirror.name }, 'commits that upstream gave up are not stored yet');
      }
    },

    async restore(mirror, commit) {
      const { path } = mirror;
      const prefix = prefixOf(mirror);
      const isThere = async () => {
        const args = ['rev-parse', '--verify', '--quiet', `${commit}^{commit}`];
        return (await git(path, args).catch(() => '')).trim() === commit;
      };
      const names = await artifacts.list(prefix);
      // That of the very commit first: mostly it is a tip that was lost.
      let left = names
        .toSorted((one, two) => Number(two.endsWith(commit)) - Number(one.endsWith(commit)))
        .slice(0, bundlesMax);
      for (let before = left.length + 1; left.length < before && !(await isThere()); ) {
        before = left.length;
        const failed: string[] = [];
        for (const name of left) {
          if (!(await fetchBundle(mirror, name))) failed.push(name);
          if (await isThere()) return;
        }
        // What one builds on may have come with another.
        left = failed;
      }
    },
  };

  async function fetchBundle({ path }: PinnedMirror, name: string): Promise<boolean> {
    const artifact = await artifacts.find(name);
    if (!artifact) return false;
    const scratch = await mkdtemp(join(path, 'worktrail-bundle-'));
    try {
      const file = join(scratch, 'bundle');
      await artifacts.get(artifact, file, signal);
      await git(path, ['fetch', '--quiet', '--no-tags', file, '+refs/worktrail/pinned/*:refs/worktrail/stored/*']);
      return true;
    } catch (error) {
      signal.throwIfAborted();
      log.debug({ err: error, name }, 'a bundle of what upstream gave up cannot be used here');
      return false;
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  }
}
