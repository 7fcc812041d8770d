// Mirrors of upstream repositories: one bare repository per organization and address, which sandboxes borrow objects from.
//
// 1. A mirror holds what upstream has and nothing else; sandboxes mount its objects read-only and it never loses one (no gc, no repack).
// 2. `sync` answers commits that upstream had after the call began: who asks during a fetch shares the next one.
// 3. Errors carry git's last line, without credentials.

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { RepositoryRef } from '@worktrail/contract/environment';
import type { RepositoryAddress, RepositoryRoots } from '@worktrail/runtime/repository-address';
import type { Git } from './git-program.ts';
import { requireAllowedObjects } from './repository-borrowing.ts';
import { redact, resolveRepository, withoutCredentials } from './repository-url.ts';
import { SessionFailure } from './session-failure.ts';

export interface Upstream {
  /** On the host. */
  objectsPath: string;
  /** What the session starts from. */
  baseCommit: string;
  defaultBranch: string;
  defaultCommit: string;
  /** Boundary commits of a shallow upstream, as in git's `shallow` file; empty for a whole one. */
  shallow: string;
  /** Without credentials. */
  url: string;
}

export interface SyncRequest {
  organizationId: string;
  repository: RepositoryRef;
  /** Branch, tag or commit; null: the default branch. */
  baseRef: string | null;
}

export interface RepositoryMirrors {
  /** @throws SessionFailure */
  sync(request: SyncRequest): Promise<Upstream>;
}

export interface MirrorDeps {
  dataDirectory: string;
  roots: RepositoryRoots;
  git: Git;
}

export function createRepositoryMirrors(deps: MirrorDeps): RepositoryMirrors {
  const fetches = createCoalescer();
  return {
    async sync({ organizationId, repository, baseRef }) {
      const address = await resolveRepository(repository.url, deps.roots);
      const source = address.kind === 'local' ? address.path : address.url;
      const name = createHash('sha256').update(source).digest('hex').slice(0, 32);
      const path = join(deps.dataDirectory, 'mirrors', organizationId, `${name}.git`);
      await fetches.run(path, () => fetchAll(deps, path, address, source));
      const defaultRef = `refs/heads/${repository.defaultBranch}`;
      const defaultCommit = await resolveCommit(deps.git, path, [defaultRef]);
      if (!defaultCommit) throw missing(repository.url, `default branch "${repository.defaultBranch}"`);
      return {
        objectsPath: join(path, 'objects'),
        baseCommit:
          baseRef === null ? defaultCommit : await resolveBase(deps.git, path, source, repository.url, baseRef),
        defaultBranch: repository.defaultBranch,
        defaultCommit,
        shallow: await readFile(join(path, 'shallow'), 'utf8').catch(() => ''),
        url: withoutCredentials(repository.url),
      };
    },
  };
}

async function fetchAll(
  { git, roots }: MirrorDeps,
  path: string,
  address: RepositoryAddress,
  source: string,
): Promise<void> {
  try {
    if (address.kind === 'local') await requireAllowedObjects(git, address.path, roots);
    if (!existsSync(path)) await makeMirror(git, path, address);
    const refspecs = ['+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*'];
    await git(path, [
      'fetch',
      '--progress',
      '--prune',
      '--no-tags',
      '--update-shallow',
      '--end-of-options',
      source,
      ...refspecs,
    ]);
  } catch (error) {
    if (isAbort(error) || error instanceof SessionFailure) throw error;
    throw new SessionFailure('repository_unreachable', `the repository cannot be fetched: ${lastLine(error)}`);
  }
}

/** Appears by rename, so that a mirror that is there is whole. A local one is linked, which takes no time. */
async function makeMirror(git: Git, path: string, address: RepositoryAddress): Promise<void> {
  const parent = join(path, '..');
  const scratch = `${path}.new`;
  await mkdir(parent, { recursive: true, mode: 0o700 });
  await rm(scratch, { recursive: true, force: true });
  if (address.kind === 'local' && (await isSelfContained(git, address.path))) {
    await git(parent, ['clone', '--bare', '--local', '--quiet', '--end-of-options', address.path, scratch]);
  } else {
    await git(parent, ['init', '--bare', '--quiet', scratch]);
  }
  await rename(scratch, path);
}

/** Borrows no objects of another repository. */
async function isSelfContained(git: Git, path: string): Promise<boolean> {
  const alternates = await git(path, ['rev-parse', '--path-format=absolute', '--git-path', 'objects/info/alternates']);
  return !existsSync(alternates.trim());
}

async function resolveBase(git: Git, path: string, source: string, url: string, baseRef: string): Promise<string> {
  if (!isRefLike(baseRef)) throw missing(url, `ref "${baseRef}"`);
  const isCommit = /^[0-9a-f]{7,64}$/.test(baseRef);
  const names = [`refs/heads/${baseRef}`, `refs/tags/${baseRef}`, ...(isCommit ? [baseRef] : [])];
  const found = await resolveCommit(git, path, names);
  if (found) return found;
  // A commit that no branch leads to is given out by most servers when it is asked for by its full name.
  if (isCommit && baseRef.length >= 40) {
    await git(path, ['fetch', '--progress', '--no-tags', '--end-of-options', source, baseRef]).catch(() => undefined);
    const fetched = await resolveCommit(git, path, [baseRef]);
    if (fetched) return fetched;
  }
  throw missing(url, `branch, tag or commit "${baseRef}"`);
}

async function resolveCommit(git: Git, path: string, names: string[]): Promise<string | undefined> {
  for (const name of names) {
    const args = ['rev-parse', '--verify', '--quiet', '--end-of-options', `${name}^{commit}`];
    const commit = (await git(path, args).catch(emptyUnlessAborted)).trim();
    if (/^[0-9a-f]{40,64}$/.test(commit)) return commit;
  }
  return undefined;
}

/** The runner is stopping: says nothing about the repository. */
function isAbort(error: unknown): boolean {
  return (error as Error).name === 'AbortError';
}

function emptyUnlessAborted(error: unknown): string {
  if (isAbort(error)) throw error;
  return '';
}

/** What git allows as a ref name or commit; revision operators are none. */
function isRefLike(text: string): boolean {
  return text.length <= 255 && !/^[-/.]|\.\.|\/\/|@\{|[\x00-\x20\x7f~^:?*[\\]|\.lock$|[/.]$/.test(text) && text !== '';
}

function missing(url: string, what: string): SessionFailure {
  return new SessionFailure('base_ref_not_found', `the repository ${withoutCredentials(url)} has no ${what}`);
}

function lastLine(error: unknown): string {
  const lines = redact(String((error as Error).message ?? error))
    .split(/[\r\n]+/)
    .map((line) => line.trim());
  return (
    lines.findLast((line) => /^(fatal|error|ssh):?/i.test(line)) ??
    lines.findLast((line) => line !== '') ??
    'git failed'
  ).slice(0, 500);
}

/** Runs one piece of work per key at a time; calls that come meanwhile share one further run. */
function createCoalescer(): { run(key: string, work: () => Promise<void>): Promise<void> } {
  const running = new Map<string, Promise<void>>();
  const next = new Map<string, Promise<void>>();
  const start = (key: string, work: () => Promise<void>): Promise<void> => {
    const run = work().finally(() => {
      if (running.get(key) === run) running.delete(key);
    });
    running.set(key, run);
    return run;
  };
  return {
    run(key, work) {
      const current = running.get(key);
      if (!current) return start(key, work);
      const waiting = next.get(key);
      if (waiting) return waiting;
      const follow = current
        .catch(() => undefined)
        .then(() => {
          next.delete(key);
          return start(key, work);
        });
      next.set(key, follow);
      return follow;
    },
  };
}
