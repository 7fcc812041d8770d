// Which addresses a project's repository may have.
//
// 1. https, ssh and git URLs and user@host:path are remote. A path or file:// URL is local: allowed only below one of the operator's
//    roots and outside the state directory, after every symlink is followed. Whether a path outside exists is not told.
// 2. An address carries no password or token: it is shown, and passes through workflows.

import { readFile, realpath } from 'node:fs/promises';
import { isAbsolute, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isGitRef } from '../sessions/git-ref.ts';
import { invalid, Problem } from '../problem.ts';

const remoteProtocols = ['https:', 'ssh:', 'git:'];
const scpLike = /^[A-Za-z0-9_][\w.-]*@[A-Za-z0-9][\w.-]*:(?!\/\/)[^\s]+$/;
const path = 'repository.url';
const branchUnlessKnown = 'main';

export interface RepositoryRoots {
  allowed: readonly string[];
  stateDirectory: string | undefined;
}

/**
 * @returns the branch to start from where none is named: a local repository's current one, else "main".
 * @throws repository_not_allowed, or validation_failed for what is no address.
 */
export async function checkRepository(url: string, roots: RepositoryRoots): Promise<{ defaultBranch: string }> {
  const local = localPath(url);
  if (local === undefined) return { defaultBranch: branchUnlessKnown };
  const real = await resolveLocal(local, roots);
  return { defaultBranch: (await currentBranch(real)) ?? branchUnlessKnown };
}

/** Undefined for a remote address. */
function localPath(url: string): string | undefined {
  if (isAbsolute(url)) return url;
  if (scpLike.test(url)) return undefined;
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol === 'file:') return pathOfFileUrl(parsed);
  if (!parsed || !remoteProtocols.includes(parsed.protocol) || !/^[A-Za-z0-9[]/.test(parsed.hostname)) {
    throw invalid({ path, message: 'must be an https, ssh or git URL, or an absolute path below an allowed root' });
  }
  if (parsed.password !== '' || (parsed.username !== '' && parsed.protocol !== 'ssh:')) {
    throw invalid({ path, message: 'must not carry a user name, password or token' });
  }
  return undefined;
}

function pathOfFileUrl(url: URL): string {
  try {
    if (url.hostname === '' || url.hostname === 'localhost') return fileURLToPath(`file://${url.pathname}`);
  } catch {
    // Falls through: not a path of this machine.
  }
  throw invalid({ path, message: 'is no path of this machine' });
}

async function resolveLocal(given: string, roots: RepositoryRoots): Promise<string> {
  const allowed = await Promise.all(roots.allowed.map(realOrSame));
  const state = roots.stateDirectory === undefined ? undefined : await realOrSame(roots.stateDirectory);
  const isAllowed = (at: string) =>
    allowed.some((root) => isWithin(at, root)) && !(state !== undefined && isWithin(at, state));
  const real = await realpath(given).catch(() => undefined);
  if (real !== undefined && isAllowed(real)) return real;
  if (real === undefined && isAllowed(resolve(given))) {
    throw invalid({ path, message: 'there is no repository at this path' });
  }
  const message = 'is not below a repository root that the operator allowed';
  throw new Problem('repository_not_allowed', `${path}: ${message}`, { errors: [{ path, message }] });
}

function realOrSame(at: string): Promise<string> {
  return realpath(at).catch(() => resolve(at));
}

function isWithin(at: string, root: string): boolean {
  const way = relative(root, at);
  return way === '' || (way !== '..' && !way.startsWith('../') && !isAbsolute(way));
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
