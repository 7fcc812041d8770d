// Addresses of repositories as a runner handles them: judged once more before anything is fetched, and shown without what is secret.
//
// `withoutCredentials` and `redact` leave no password or token of a URL behind.

import {
  type RepositoryAddress,
  RepositoryRefused,
  type RepositoryRoots,
  resolveRepositoryAddress,
} from '@worktrail/runtime/repository-address';
import { SessionFailure } from '../sessions/session-failure.ts';

/** @throws SessionFailure `repository_not_allowed` or, for a path that is not there, `repository_unreachable`. */
export async function resolveRepository(url: string, roots: RepositoryRoots): Promise<RepositoryAddress> {
  try {
    return await resolveRepositoryAddress(url, roots);
  } catch (error) {
    if (!(error instanceof RepositoryRefused)) throw error;
    const code = error.reason === 'missing' ? 'repository_unreachable' : 'repository_not_allowed';
    throw new SessionFailure(code, `the repository "${redact(url)}" ${error.message}`);
  }
}

/** The address as it may stand in a sandbox. */
export function withoutCredentials(url: string): string {
  if (!URL.canParse(url)) return url;
  const parsed = new URL(url);
  parsed.password = '';
  if (parsed.protocol !== 'ssh:') parsed.username = '';
  return parsed.href;
}

/** Text with the user part of every URL in it made unreadable. */
export function redact(text: string): string {
  return text.replace(/:\/\/[^/@\s]+@/g, '://***@');
}
