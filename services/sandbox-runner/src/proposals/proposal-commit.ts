// Commits that proposals make: the same parts make the same commit, so that a repetition makes no other one.

import type { Person } from '@worktrail/contract/proposal-messages';
import type { StoreGit } from '../checkpoints/store-git.ts';
import { identName, mailOf } from './merge-message.ts';

export interface CommitParts {
  tree: string;
  parents: readonly string[];
  message: string;
  author: Person;
  at: string;
}

export async function makeCommit(git: StoreGit, parts: CommitParts, signal: AbortSignal): Promise<string> {
  const date = `${Math.floor(Date.parse(parts.at) / 1000)} +0000`;
  const env = {
    GIT_AUTHOR_NAME: identName(parts.author),
    GIT_AUTHOR_EMAIL: mailOf(parts.author),
    GIT_AUTHOR_DATE: date,
    GIT_COMMITTER_NAME: 'Worktrail',
    GIT_COMMITTER_EMAIL: 'session@worktrail.invalid',
    GIT_COMMITTER_DATE: date,
  };
  const parents = parts.parents.flatMap((parent) => ['-p', parent]);
  const id = await git(['commit-tree', parts.tree, ...parents], { signal, stdin: `${parts.message}\n`, env });
  return id.toString().trim();
}

/** @throws where the store has no such commit. */
export async function treeOf(git: StoreGit, commit: string, signal: AbortSignal): Promise<string> {
  const name = `${commit}^{tree}`;
  return (await git(['rev-parse', '--verify', '--end-of-options', name], { signal })).toString().trim();
}
