// Which addresses a project's repository may have: those of repository-address.ts that carry no password or token, for the address is
// shown and passes through workflows.

import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import {
  type RepositoryAddress,
  RepositoryRefused,
  type RepositoryRoots,
  resolveRepositoryAddress,
} from '@worktrail/runtime/repository-address';
import { isGitRef } from '../sessions/git-ref.ts';
import { invalid, Problem } from '../problem.ts';

const path = 'repository.url';
const branchUnlessKnown = 'main';

/**
 * @returns the branch to start from where none is named: a local repository's current one, else "main".
 * @throws repository_not_allowed, or validation_failed for what is no address.
 */
export async function checkRepository(url: string, roots: RepositoryRoots): Promise<{ defaultBranch: string }> {
  const address = await resolveRepository(url, roots);
  if (address.kind === 'local') return { defaultBranch: (await currentBranch(address.path)) ?? branchUnlessKnown };
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed && (parsed.password !== '' || (parsed.username !== '' && parsed.protocol !== 'ssh:')))
    throw invalid({ path, message: 'must not carry a user name, password or token' });
  return { defaultBranch: branchUnlessKnown };
}

async function resolveRepository(url: string, roots: RepositoryRoots): Promise<RepositoryAddress> {
  try {
    return await resolveRepositoryAddress(url, roots);
  } catch (error) {
    if (!(error instanceof RepositoryRefused)) throw error;
    const { message } = error;
    if (error.reason !== 'not_allowed') throw invalid({ path, message });
    throw new Problem('repository_not_allowed', `${path}: ${message}`, { errors: [{ path, message }] });
  }
}

/** Read from the repository's HEAD file: no program is run on a repository here. */
async function currentBranch(repository: string): Promise<string | undefined> {
  for (const directory of [join(repository, '.git'), repository, await linkedGitDirectory(repository)]) {
    const head = directory && (await readFile(join(directory, 'HEAD'), 'utf8').catch(() => undefined));
    const branch = head && /^ref: refs\/heads\/(.+)$/m.exec(head.slice(0, 1_000))?.[1];
    if (branch && isGitRef(branch)) return branch;
  }
  return undefined;
}

/** Of a work tree beside another: its `.git` is a file that names the directory. */
async function linkedGitDirectory(repository: string): Promise<string | undefined> {
  const link = await readFile(join(repository, '.git'), 'utf8').catch(() => '');
  const target = /^gitdir: (.+)$/m.exec(link.slice(0, 5_000))?.[1];
  return target && resolve(repository, target);
}
