// A bound on every wait for another part of the system: what does not answer in time, or cannot be reached, is
// `dependency_unavailable`, named.

import { WorktrailError } from '@worktrail/contract/errors';
import { Problem } from './problem.ts';

export type Part = 'nats' | 'temporal' | 'orchestrator' | 'trace-store' | 'sandbox-runner' | 'docker' | 'disk';

/**
 * Bounds of single calls. Their longest chain in one request stays below 5 s, but for an update that is known to take long and
 * is begun when its parts have just answered.
 */
export const callTimeoutsMs = {
  nats: 2_000,
  check: 2_000,
  query: 2_000,
  update: 4_000,
  longUpdate: 60_000,
  start: 3_000,
  traceStore: 3_500,
} as const;

export function unavailable(part: Part, detail: string, cause?: unknown): Problem {
  return new Problem('dependency_unavailable', `${part}: ${detail}`, { members: { part }, cause });
}

/**
 * The result of a call, or `dependency_unavailable` when it fails or takes longer. Errors of the contract pass as they are.
 */
export async function within<T>(part: Part, timeoutMs: number, call: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(unavailable(part, `no answer within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([call(), timeout]);
  } catch (error) {
    if (error instanceof WorktrailError) throw error;
    throw unavailable(part, error instanceof Error ? error.message : String(error), error);
  } finally {
    clearTimeout(timer);
  }
}
