// Which runner gives out a project's repository: any can make it, so each request of a clone had better come to the same one.

import { createHash } from 'node:crypto';
import type { RunnerDocument } from '@worktrail/contract/documents';

/**
 * The runner with most of the project's sessions, which has its mirror; among equals, and where there is none, the one that the
 * project's id leads to as long as the same runners live. Undefined where none is alive.
 */
export function servingRunner(
  projectId: string,
  runners: readonly Pick<RunnerDocument, 'id' | 'unavailable'>[],
  sessionRunners: readonly (string | null)[],
): string | undefined {
  const healthy = runners.filter(({ unavailable }) => unavailable?.part !== 'disk');
  const candidates = healthy.length > 0 ? healthy : runners;
  const count = (id: string) => sessionRunners.filter((one) => one === id).length;
  const weight = (id: string) => createHash('sha256').update(`${projectId} ${id}`).digest('hex');
  const ranked = candidates
    .map(({ id }) => ({ id, sessions: count(id), weight: weight(id) }))
    .toSorted((one, two) => two.sessions - one.sessions || (one.weight < two.weight ? -1 : 1));
  return ranked[0]?.id;
}
