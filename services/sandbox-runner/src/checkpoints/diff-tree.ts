// The changes between two trees, with renames found, unless that takes too long.

import { GitFailed, type StoreGit, type StoreGitOptions } from './store-git.ts';

const renamesTimeoutMs = 60_000;

export async function diffTree(git: StoreGit, args: string[], options: StoreGitOptions): Promise<Buffer> {
  try {
    return await git(['diff-tree', '-r', '-M', ...args], { ...options, timeoutMs: renamesTimeoutMs });
  } catch (error) {
    if (!(error instanceof GitFailed)) throw error;
    return git(['diff-tree', '-r', '--no-renames', ...args], options);
  }
}
