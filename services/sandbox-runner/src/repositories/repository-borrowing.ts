// Where the objects of a local repository really lie: its git directory and objects may be elsewhere, by a `.git` file, a symlink or
// alternates. What lies outside of the allowed roots is not read.
//
// A work tree that `git worktree add` made of a repository elsewhere is allowed: that repository names it back.

import { readFile, realpath } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { isWithin, openAllowedPaths, type RepositoryRoots } from '@worktrail/runtime/repository-address';
import type { Git } from './git-program.ts';
import { SessionFailure } from '../sessions/session-failure.ts';

/** As deep as git itself follows alternates. */
const depthMax = 5;

/** @throws SessionFailure `repository_not_allowed`; git's own error where there is no repository. */
export async function requireAllowedObjects(git: Git, path: string, roots: RepositoryRoots): Promise<void> {
  const isAllowed = await openAllowedPaths(roots);
  const common = await realpath(await gitPath(git, path, '--git-common-dir'));
  const linked = !isAllowed(common) && (await isLinkedWorkTree(git, path, common));
  if (!linked && !isAllowed(common)) throw notAllowed(path, 'its git directory');
  const isTheirs = (at: string) => isAllowed(at) || (linked && isWithin(at, common));
  await requireObjects(join(common, 'objects'), 0);

  async function requireObjects(objects: string, depth: number): Promise<void> {
    for (const at of [objects, join(objects, 'pack')]) {
      const real = await realpath(at).catch(() => undefined);
      if (real !== undefined && !isTheirs(real)) throw notAllowed(path, 'objects that it borrows');
    }
    if (depth === depthMax) return;
    const alternates = await readFile(join(objects, 'info', 'alternates'), 'utf8').catch(() => '');
    const named = alternates.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    for (const line of named) await requireObjects(resolve(objects, unquoted(line)), depth + 1);
  }
}

async function gitPath(git: Git, path: string, which: string): Promise<string> {
  return (await git(path, ['rev-parse', '--path-format=absolute', which])).replace(/\n$/, '');
}

/** Its own git directory is inside of the repository's, and names this work tree. */
async function isLinkedWorkTree(git: Git, path: string, common: string): Promise<boolean> {
  const own = await realpath(await gitPath(git, path, '--git-dir'));
  if (!isWithin(own, join(common, 'worktrees'))) return false;
  const back = await readFile(join(own, 'gitdir'), 'utf8').catch(() => '');
  return back !== '' && (await realpath(dirname(back.trim())).catch(() => undefined)) === path;
}

/** git writes a path with unusual characters as a C string. */
function unquoted(line: string): string {
  return line.startsWith('"') ? (JSON.parse(line) as string) : line;
}

function notAllowed(path: string, what: string): SessionFailure {
  const detail = `"${path}": ${what} is not below a repository root that the operator allowed`;
  return new SessionFailure('repository_not_allowed', detail);
}
