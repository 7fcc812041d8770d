// How much a session has changed since it began, as its newest checkpoint and its HEAD say.

import type { ChangesFromBase } from '@worktrail/contract/checkpoints';
import { checkObjects, type Manifest, type SessionStore } from './session-store.ts';
import { GitFailed } from './store-git.ts';

const timeoutMs = 20_000;

/** Undefined where that takes too long: nothing waits for it. */
export async function changesFromBase(
  store: SessionStore,
  { baseCommit, commit, headCommit }: Manifest,
  signal: AbortSignal,
): Promise<ChangesFromBase | undefined> {
  const { git } = store;
  try {
    const options = { signal, timeoutMs };
    const said = (await git(['diff-tree', '-r', '-M', '--shortstat', baseCommit, commit], options)).toString();
    const count = (pattern: RegExp) => Number(pattern.exec(said)?.[1] ?? 0);
    const counts = {
      filesChanged: count(/(\d+) files? changed/),
      additions: count(/(\d+) insertions?\(\+\)/),
      deletions: count(/(\d+) deletions?\(-\)/),
    };
    if (headCommit === baseCommit) return { commits: 0, ...counts };
    const [head] = headCommit === null ? [] : await checkObjects(git, [`${headCommit}^{commit}`], signal);
    const commits = head && Number((await git(['rev-list', '--count', head.id, `^${baseCommit}`], options)).toString());
    return { commits: commits ?? null, ...counts };
  } catch (error) {
    if (error instanceof GitFailed) return undefined;
    throw error;
  }
}
