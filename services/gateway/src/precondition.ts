// If-Match: a change is made only to what the client has seen.

import { WorktrailError } from '@worktrail/contract/errors';
import { etag } from './http/reply.ts';

/** No header, or `*`. */
export function isAnyState(ifMatch: string | null): ifMatch is null | '*' {
  return ifMatch === null || ifMatch.trim() === '*';
}

export function matches(ifMatch: string | null, current: number | string): boolean {
  if (isAnyState(ifMatch)) return true;
  const named = ifMatch.split(',').map((item) => item.trim().replace(/^W\//, ''));
  return named.includes(etag(current));
}

/** @throws precondition_failed when the header names another state than the current one. */
export function checkPrecondition(ifMatch: string | null, current: number | string): void {
  if (matches(ifMatch, current)) return;
  throw new WorktrailError('precondition_failed', `If-Match: the resource is at ${etag(current)} now`);
}
