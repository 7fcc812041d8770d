// How many commits a session's head has that the default branch has not, and the other way round, as the mirror on this host has it.

import { dirname } from 'node:path';
import type { BranchPosition } from '@worktrail/contract/documents';
import type { StartProgram } from '../host/program-start.ts';
import { createStoreGit, GitFailed, type StoreGit } from './store-git.ts';

/** A history may have been made to take long: then nothing is known. */
const countingTimeoutMs = 5_000;

/** @param store has the head's commits, and borrows the mirror's */
export async function readPosition(
  store: StoreGit,
  of: { start: StartProgram; headCommit: string | null; upstreamObjects: string; defaultBranch: string | undefined },
  signal: AbortSignal,
): Promise<BranchPosition | null> {
  if (of.defaultBranch === undefined) return null;
  const options = { signal, timeoutMs: countingTimeoutMs };
  try {
    const mirror = createStoreGit(dirname(of.upstreamObjects), of.start);
    const ref = `refs/heads/${of.defaultBranch}^{commit}`;
    const main = (await mirror(['rev-parse', '--verify', '--quiet', '--end-of-options', ref], options))
      .toString()
      .trim();
    if (of.headCommit === null || !isCommit(of.headCommit) || !isCommit(main)) return null;
    const range = `${of.headCommit}...${main}`;
    const counted = (await store(['rev-list', '--left-right', '--count', range], options)).toString();
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
