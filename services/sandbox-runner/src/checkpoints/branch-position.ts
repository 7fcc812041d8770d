// How many commits a session's head has that the default branch has not, and the other way round, as the mirror on this host has it.

import { dirname, join } from 'node:path';
import type { BranchPosition } from '@worktrail/contract/documents';
import type { StartProgram } from '../host/program-start.ts';
import { createStoreGit, GitFailed } from './store-git.ts';

/** A history may have been made to take long: then nothing is known. */
const countingTimeoutMs = 5_000;

/** @param storePath of a repository that has the head's commits, and borrows the mirror's */
export async function readPosition(
  storePath: string,
  of: { start: StartProgram; headCommit: string | null; upstreamObjects: string; defaultBranch: string | undefined },
  signal: AbortSignal,
): Promise<BranchPosition | null> {
  if (of.defaultBranch === undefined) return null;
  try {
    if (of.headCommit === null || !isCommit(of.headCommit)) return null;
    const env = { GIT_ALTERNATE_OBJECT_DIRECTORIES: join(storePath, 'objects') };
    const mirror = createStoreGit(dirname(of.upstreamObjects), of.start);
    const range = `${of.headCommit}...refs/heads/${of.defaultBranch}`;
    const options = { signal, timeoutMs: countingTimeoutMs, env };
    const counted = (
      await mirror(['rev-list', '--left-right', '--count', '--end-of-options', range, '--'], options)
    ).toString();
    const found = /^(\d+)\t(\d+)\s*$/.exec(counted);
    return found ? { ahead: Number(found[1]), behind: Number(found[2]) } : null;
  } catch (error) {
    if (error instanceof GitFailed) return null;
    throw error;
  }
}

function isCommit(text: string): boolean {
  return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text);
}
