// If-Match: a change is made only to what the client has seen.

import { WorktrailError } from '@worktrail/contract/errors';
import { etag } from './http/reply.ts';

/** @throws precondition_failed when the header names another state than the current one. */
export function checkPrecondition(ifMatch: string | null, current: number | string): void {
  if (ifMatch === null || ifMatch.trim() === '*') return;
  const named = ifMatch.split(',').map((item) => item.trim().replace(/^W\//, ''));
  if (named.includes(etag(current))) return;
  throw new WorktrailError('precondition_failed', `If-Match: the resource is at ${etag(current)} now`);
}
