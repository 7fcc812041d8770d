// Which repositories a project may have: the gateway judges by this when one is named, the runner again before it fetches.
//
// 1. https, ssh and git URLs and user@host:path are remote, ssh only where the operator allows it (decision 11). A path or file:// URL is
//    local, and allowed only below one of the operator's roots and outside of state directories, after every symlink is followed. Nothing
//    else is a repository.
// 2. Whether a path outside the roots exists is not told.

import { realpath } from 'node:fs/promises';
import { isAbsolute, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const remoteProtocols = ['https:', 'ssh:', 'git:'];
/** user@host:path, as ssh is often written. */
const scpLike = /^[A-Za-z0-9_][\w.-]*@[A-Za-z0-9][\w.-]*:(?!\/\/)[^\s]+$/;

/** Where other clusters of the same clone keep theirs, by custom. */
const foreignState = /\/\.worktrail[^/]*(\/|$)/;

export type RepositoryAddress = { kind: 'remote'; url: string } | { kind: 'local'; path: string };

export interface RepositoryRoots {
  allowed: readonly string[];
  stateDirectory: string | undefined;
  /** Whether repositories are fetched over ssh. */
  ssh: boolean;
}

/** The message says what the address is or lacks: "is not below …". */
export class RepositoryRefused extends Error {
  override readonly name = 'RepositoryRefused';
  readonly reason: 'malformed' | 'not_allowed' | 'missing';
  constructor(reason: RepositoryRefused['reason'], message: string) {
    super(message);
    this.reason = reason;
  }
}

/** @throws RepositoryRefused */
export async function resolveRepositoryAddress(url: string, roots: RepositoryRoots): Promise<RepositoryAddress> {
  const local = localPath(url);
  if (local !== undefined) return { kind: 'local', path: await resolveLocal(local, roots) };
  if (isSsh(url) && !roots.ssh) {
    throw new RepositoryRefused('not_allowed', 'is an ssh address, and the operator has not set runner.sshConfig');
  }
  return { kind: 'remote', url };
}

/** Undefined for a remote address. */
function localPath(url: string): string | undefined {
  if (isAbsolute(url)) return url;
  if (scpLike.test(url)) return undefined;
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol === 'file:') return pathOfFileUrl(parsed);
  if (parsed && remoteProtocols.includes(parsed.protocol) && /^[A-Za-z0-9[]/.test(parsed.hostname)) return undefined;
  throw new RepositoryRefused(
    'malformed',
    'must be an https, ssh or git URL, or an absolute path below an allowed root',
  );
}

function pathOfFileUrl(url: URL): string {
  try {
    if (url.hostname === '') return fileURLToPath(url);
  } catch {
    // Falls through: not a path of this machine.
  }
  throw new RepositoryRefused('malformed', 'is no path of this machine');
}

function isSsh(remote: string): boolean {
  return scpLike.test(remote) || new URL(remote).protocol === 'ssh:';
}

async function resolveLocal(given: string, roots: RepositoryRoots): Promise<string> {
  const isAllowed = await openAllowedPaths(roots);
  const real = await realpath(given).catch(() => undefined);
  if (!isAllowed(real ?? resolve(given)))
    throw new RepositoryRefused('not_allowed', 'is not below a repository root that the operator allowed');
  if (real === undefined) throw new RepositoryRefused('missing', 'is not there');
  return real;
}

/** Tells of a path without symlinks whether it is below an allowed root and outside of state directories. */
export async function openAllowedPaths(roots: RepositoryRoots): Promise<(at: string) => boolean> {
  const allowed = await Promise.all(roots.allowed.map(realOrSame));
  const state = roots.stateDirectory === undefined ? undefined : await realOrSame(roots.stateDirectory);
  const isBelow = (at: string, root: string) => isWithin(at, root) && !foreignState.test(`/${relative(root, at)}`);
  return (at) => allowed.some((root) => isBelow(at, root)) && !(state !== undefined && isWithin(at, state));
}

function realOrSame(path: string): Promise<string> {
  return realpath(path).catch(() => resolve(path));
}

export function isWithin(path: string, root: string): boolean {
  const way = relative(root, path);
  return way === '' || (!way.startsWith('../') && way !== '..' && !isAbsolute(way));
}
