// Which repositories a session may be made from, and what of their addresses may be shown.
//
// 1. https, ssh and git URLs are remote. A path or file:// URL is local, and allowed only below one of the operator's roots and
//    outside of state directories, after every symlink is followed. Nothing else is a repository, and without an ssh configuration of
//    the operator's (decision 11) no ssh address is.
// 2. Whether a path outside the roots exists is not told.
// 3. `withoutCredentials` and `redact` leave no password or token of a URL behind.

import { realpath } from 'node:fs/promises';
import { isAbsolute, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SessionFailure } from './session-failure.ts';

const remoteProtocols = ['https:', 'ssh:', 'git:'];
/** user@host:path, as ssh is often written. */
const scpLike = /^[A-Za-z0-9_][\w.-]*@[A-Za-z0-9][\w.-]*:(?!\/\/)[^\s]+$/;

/** Where other clusters of the same clone keep theirs, by custom. */
const foreignState = /\/\.worktrail[^/]*(\/|$)/;

export type RepositoryAddress = { kind: 'remote'; url: string } | { kind: 'local'; path: string };

export interface RepositoryRoots {
  allowed: readonly string[];
  stateDirectory: string;
  /** Whether repositories are fetched over ssh. */
  ssh: boolean;
}

/** @throws SessionFailure `repository_not_allowed` or, for a path that is not there, `repository_unreachable`. */
export async function resolveRepository(url: string, roots: RepositoryRoots): Promise<RepositoryAddress> {
  if (isAbsolute(url)) return { kind: 'local', path: await resolveLocal(url, roots) };
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol === 'file:' && ['', 'localhost'].includes(parsed.hostname)) {
    return { kind: 'local', path: await resolveLocal(fileURLToPath(parsed), roots) };
  }
  const hasHost = parsed && remoteProtocols.includes(parsed.protocol) && /^[A-Za-z0-9[]/.test(parsed.hostname);
  if (scpLike.test(url) || hasHost) {
    if (!roots.ssh && parsed?.protocol !== 'https:' && parsed?.protocol !== 'git:') throw withoutSsh(url);
    return { kind: 'remote', url };
  }
  throw new SessionFailure(
    'repository_not_allowed',
    `"${redact(url)}" is not a repository address: an https, ssh or git URL, or an absolute path below an allowed root`,
  );
}

function withoutSsh(url: string): SessionFailure {
  const detail = 'is an ssh address, and this runner uses no ssh: its operator has not set runner.sshConfig';
  return new SessionFailure('repository_not_allowed', `"${redact(url)}" ${detail}`);
}

/** Tells of a path without symlinks whether it is below an allowed root and outside of state directories. */
export async function openAllowedPaths(roots: RepositoryRoots): Promise<(at: string) => boolean> {
  const allowed = await Promise.all(roots.allowed.map(realOrSame));
  const state = await realOrSame(roots.stateDirectory);
  const isBelow = (at: string, root: string) => isWithin(at, root) && !foreignState.test(`/${relative(root, at)}`);
  return (at) => allowed.some((root) => isBelow(at, root)) && !isWithin(at, state);
}

async function resolveLocal(path: string, roots: RepositoryRoots): Promise<string> {
  const notAllowed = () =>
    new SessionFailure('repository_not_allowed', `"${path}" is not below a repository root that the operator allowed`);
  const isAllowed = await openAllowedPaths(roots);
  const real = await realpath(path).catch(() => undefined);
  if (real === undefined) {
    if (!isAllowed(resolve(path))) throw notAllowed();
    throw new SessionFailure('repository_unreachable', `there is no repository at "${path}"`);
  }
  if (!isAllowed(real)) throw notAllowed();
  return real;
}

function realOrSame(path: string): Promise<string> {
  return realpath(path).catch(() => resolve(path));
}

export function isWithin(path: string, root: string): boolean {
  const way = relative(root, path);
  return way === '' || (!way.startsWith('../') && way !== '..' && !isAbsolute(way));
}

/** The address as it may stand in a sandbox. */
export function withoutCredentials(url: string): string {
  if (isAbsolute(url) || scpLike.test(url) || !URL.canParse(url)) return url;
  const parsed = new URL(url);
  parsed.password = '';
  if (parsed.protocol !== 'ssh:') parsed.username = '';
  return parsed.href;
}

/** Text with the user part of every URL in it made unreadable. */
export function redact(text: string): string {
  return text.replace(/:\/\/[^/@\s]+@/g, '://***@');
}
