// Mirrors of upstream repositories: one bare repository per organization and address, which sandboxes borrow objects from. A project
// with a credential of its own has one of its own: what only that opens is not lent to others (decision 21).
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
import type { RemoteCredentials } from './remote-credentials.ts';
import { requireAllowedObjects } from './repository-borrowing.ts';
import type { RepositoryPins } from './repository-pins.ts';
import { redact, resolveRepository, withoutCredentials } from './repository-url.ts';
import { SessionFailure, UpstreamAway } from '../sessions/session-failure.ts';

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
  projectId: string;
  repository: RepositoryRef;
  /** Branch, tag or commit; null: the default branch. */
  baseRef: string | null;
}

export interface RepositoryMirrors {
  /** @throws SessionFailure */
  sync(request: SyncRequest): Promise<Upstream>;
  /** What is there of it on this host, without asking upstream; undefined where there is nothing. @throws SessionFailure */
  present(request: Omit<SyncRequest, 'baseRef'> & Partial<SyncRequest>): Promise<Upstream | undefined>;
  /**
   * For files that began with this commit: asks upstream only where the mirror does not have it, and the artifact store where upstream
   * does not have it any more. @throws SessionFailure, UpstreamAway
   */
  provide(request: Omit<SyncRequest, 'baseRef'>, commit: string): Promise<Upstream>;
  /**
   * Changes refs of upstream from the repository at `from`. `atomic`: all of them or none, or fails where the remote cannot.
   * @throws SessionFailure, or git's own words
   */
  push(
    request: Omit<SyncRequest, 'baseRef'>,
    from: string,
    changes: readonly RefChange[],
    options: { atomic: boolean },
  ): Promise<void>;
  /** Where a branch of upstream was at the last fetch. @throws SessionFailure */
  branchTip(request: Omit<SyncRequest, 'baseRef'>, branch: string): Promise<string | undefined>;
  /** The tree of a commit that was in the default branch's history at the last fetch. @throws SessionFailure */
  landedTree(request: Omit<SyncRequest, 'baseRef'>, commit: string): Promise<string | undefined>;
}

/** Takes effect only where the ref is `expected` and nothing else; null: is not there, is taken away. */
export interface RefChange {
  ref: string;
  expected: string | null;
  commit: string | null;
}

export interface MirrorDeps {
  dataDirectory: string;
  roots: RepositoryRoots;
  git: Git;
  pins: RepositoryPins;
  credentials: RemoteCredentials;
}

export function createRepositoryMirrors(deps: MirrorDeps): RepositoryMirrors {
  const { git } = deps;
  const fetches = createCoalescer();

  async function locate({ organizationId, projectId, repository }: Omit<SyncRequest, 'baseRef'>): Promise<Mirror> {
    const { roots, credentials } = deps;
    const credential = await credentials.find(projectId, repository.url);
    const ssh = roots.ssh || credential?.kind === 'ssh_key';
    const address = await resolveRepository(repository.url, { ...roots, ssh });
    const source = address.kind === 'local' ? address.path : address.url;
    const whose = credential ? `${source}\0${projectId}` : source;
    const name = createHash('sha256').update(whose).digest('hex').slice(0, 32);
    const path = join(deps.dataDirectory, 'mirrors', organizationId, `${name}.git`);
    return { path, address, source, organizationId, projectId, isOwn: credential !== undefined, name, ...repository };
  }

  const fetch = (mirror: Mirror) => fetches.run(mirror.path, () => fetchAll(deps, mirror));
  const defaultCommitOf = ({ path, defaultBranch }: Mirror) =>
    resolveCommit(git, path, [`refs/heads/${defaultBranch}`]);

  async function describe(mirror: Mirror, baseCommit: string, defaultCommit: string): Promise<Upstream> {
    return {
      objectsPath: join(mirror.path, 'objects'),
      baseCommit,
      defaultBranch: mirror.defaultBranch,
      defaultCommit,
      shallow: await readFile(join(mirror.path, 'shallow'), 'utf8').catch(() => ''),
      url: withoutCredentials(mirror.url),
    };
  }

  return {
    async push(request, from, changes, { atomic }) {
      const mirror = await locate(request);
      const leases = changes.map(({ ref, expected }) => `--force-with-lease=${ref}:${expected ?? ''}`);
      const options = ['--porcelain', '--progress', '--no-verify', ...(atomic ? ['--atomic'] : []), ...leases];
      const refspecs = changes.map(({ ref, commit }) => `${commit ?? ''}:${ref}`);
      const args = ['push', ...options, '--end-of-options', mirror.source, ...refspecs];
      await asProject(deps, mirror, (given) => git(from, args, given));
    },
    async branchTip(request, branch) {
      const { path } = await locate(request);
      return resolveCommit(git, path, [`refs/heads/${branch}`]);
    },
    async landedTree(request, commit) {
      const mirror = await locate(request);
      const found = isFullCommit(commit) && (await resolveCommit(git, mirror.path, [commit]));
      if (!found) return undefined;
      const ref = `refs/heads/${mirror.defaultBranch}`;
      const outside = await git(mirror.path, ['rev-list', '--max-count=1', found, '--not', ref]);
      if (outside.trim() !== '') return undefined;
      return (await git(mirror.path, ['rev-parse', '--verify', '--end-of-options', `${found}^{tree}`])).trim();
    },
    async sync(request) {
      const mirror = await locate(request);
      await fetch(mirror);
      const defaultCommit = await defaultCommitOf(mirror);
      if (!defaultCommit) throw missing(mirror.url, `default branch "${mirror.defaultBranch}"`);
      const { baseRef } = request;
      return describe(
        mirror,
        baseRef === null ? defaultCommit : await resolveBase(deps, mirror, baseRef),
        defaultCommit,
      );
    },
    async present(request) {
      const mirror = await locate(request);
      if (!existsSync(mirror.path)) return undefined;
      const defaultCommit = await defaultCommitOf(mirror);
      const { baseRef = null } = request;
      const commit = baseRef === null ? defaultCommit : await resolveCommit(git, mirror.path, refNames(baseRef));
      return commit === undefined ? undefined : describe(mirror, commit, defaultCommit ?? commit);
    },
    async provide(request, commit) {
      const mirror = await locate(request);
      const find = async () => (existsSync(mirror.path) ? resolveCommit(git, mirror.path, [commit]) : undefined);
      if (!isFullCommit(commit)) throw missing(mirror.url, `commit "${commit}"`);
      if (!(await find())) {
        const unreachable = await fetch(mirror).then(() => undefined, unlessAborted);
        // An upstream that is away says nothing about what was kept of it.
        await makeEmptyMirror(git, mirror.path, commit.length === 64);
        if (!(await find())) await fetchCommit(deps, mirror, commit);
        if (!(await find())) await deps.pins.restore(mirror, commit);
        if (!(await find())) throw unreachable ? awayFor(unreachable) : missing(mirror.url, `commit "${commit}"`);
      }
      return describe(mirror, commit, (await defaultCommitOf(mirror)) ?? commit);
    },
  };
}

interface Mirror {
  path: string;
  address: RepositoryAddress;
  /** What git fetches from. */
  source: string;
  organizationId: string;
  projectId: string;
  /** Of this project alone. */
  isOwn: boolean;
  /** The same on every host. */
  name: string;
  url: string;
  defaultBranch: string;
}

async function fetchAll(deps: MirrorDeps, mirror: Mirror): Promise<void> {
  const { git, roots, pins } = deps;
  const { path, address } = mirror;
  try {
    if (address.kind === 'local') await requireAllowedObjects(git, address.path, roots);
    if (!existsSync(path)) await makeMirror(git, path, address);
    await pins.noteTips(mirror);
    const refspecs = ['+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*'];
    const options = ['--progress', '--prune', '--no-tags', '--update-shallow'];
    await fetchFrom(deps, mirror, options, refspecs);
  } catch (error) {
    if (isAbort(error) || error instanceof SessionFailure) throw error;
    const reason = asksForCredential(error) ?? lastLine(error);
    throw new SessionFailure('repository_unreachable', `the repository cannot be fetched: ${reason}`);
  }
  await pins.keepLostTips(mirror);
}

async function fetchFrom(deps: MirrorDeps, mirror: Mirror, options: string[], wanted: string[]): Promise<void> {
  const { path, source } = mirror;
  await asProject(deps, mirror, (given) =>
    deps.git(path, ['fetch', ...options, '--end-of-options', source, ...wanted], given),
  );
}

/**
 * Calls git with the credential that the project has now, to be `given` to it; what that opens never comes into a mirror that is not the
 * project's own.
 */
async function asProject<T>(
  { credentials }: MirrorDeps,
  { projectId, url, isOwn }: Mirror,
  call: (given: Record<string, string>) => Promise<T>,
): Promise<T> {
  return credentials.use(isOwn ? await credentials.find(projectId, url) : undefined, call);
}

/** A commit that no branch leads to is given out by most servers when it is asked for by its full name. */
async function fetchCommit(deps: MirrorDeps, mirror: Mirror, commit: string): Promise<void> {
  await fetchFrom(deps, mirror, ['--progress', '--no-tags'], [commit]).catch(emptyUnlessAborted);
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

async function makeEmptyMirror(git: Git, path: string, isSha256: boolean): Promise<void> {
  if (existsSync(path)) return;
  const scratch = `${path}.new`;
  await mkdir(join(path, '..'), { recursive: true, mode: 0o700 });
  await rm(scratch, { recursive: true, force: true });
  const format = isSha256 ? ['--object-format=sha256'] : [];
  await git(join(path, '..'), ['init', '--bare', '--quiet', ...format, scratch]);
  await rename(scratch, path);
}

/** Borrows no objects of another repository. */
async function isSelfContained(git: Git, path: string): Promise<boolean> {
  const alternates = await git(path, ['rev-parse', '--path-format=absolute', '--git-path', 'objects/info/alternates']);
  return !existsSync(alternates.trim());
}

async function resolveBase(deps: MirrorDeps, mirror: Mirror, baseRef: string): Promise<string> {
  const { git } = deps;
  const { path, url } = mirror;
  const found = await resolveCommit(git, path, refNames(baseRef));
  if (found) return found;
  if (isFullCommit(baseRef)) {
    await fetchCommit(deps, mirror, baseRef);
    const fetched = await resolveCommit(git, path, [baseRef]);
    if (fetched) return fetched;
  }
  throw missing(url, `branch, tag or commit "${baseRef}"`);
}

/** Of what it may mean, the first that is there counts. None for what git allows as none. */
function refNames(baseRef: string): string[] {
  if (!isRefLike(baseRef)) return [];
  const isCommit = /^[0-9a-f]{7,64}$/.test(baseRef);
  return [`refs/heads/${baseRef}`, `refs/tags/${baseRef}`, ...(isCommit ? [baseRef] : [])];
}

function isFullCommit(text: string): boolean {
  return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text);
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

function awayFor(error: unknown): unknown {
  const isUnreachable = error instanceof SessionFailure && error.code === 'repository_unreachable';
  return isUnreachable ? new UpstreamAway(error.message, { cause: error }) : error;
}

function unlessAborted(error: unknown): unknown {
  if (isAbort(error)) throw error;
  return error;
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

function asksForCredential(error: unknown): string | undefined {
  const server = /could not read Username for '([^']*)'/.exec(String((error as Error).message))?.[1];
  return server && `${redact(server)} asks for a credential, and the project has none for it`;
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
