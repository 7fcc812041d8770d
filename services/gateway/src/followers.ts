// Who follows a session: open event streams, and requests that wait for a command, a state or an event. Each has a subscription of its
// own and a buffer, so both kinds are bounded in number: for an organization, and for this process as a whole.

import { WorktrailError } from '@worktrail/contract/errors';
import type { OperatorConfig } from '@worktrail/runtime/operator-config';
import type { HttpMetrics } from './http/http-metrics.ts';

export type FollowerKind = 'eventStreams' | 'waiters';

export interface Followers {
  /** Counts one in until the returned function is called. @throws rate_limited */
  admit(kind: FollowerKind, organizationId: string): () => void;
  /** Those of an organization now. */
  count(kind: FollowerKind, organizationId: string): number;
}

const names: Record<FollowerKind, string> = { eventStreams: 'open event streams', waiters: 'waiting requests' };

export function createFollowers(
  quotas: Pick<OperatorConfig['quotas'], 'followersPerOrganizationMax' | 'followersMax'>,
  metrics: Pick<HttpMetrics, FollowerKind>,
): Followers {
  const counts = { eventStreams: new Map<string, number>(), waiters: new Map<string, number>() };
  const totals = { eventStreams: 0, waiters: 0 };
  return {
    count: (kind, organizationId) => counts[kind].get(organizationId) ?? 0,
    admit(kind, organizationId) {
      const own = counts[kind];
      const count = own.get(organizationId) ?? 0;
      refuseOver(`${names[kind]} of the organization`, count, quotas.followersPerOrganizationMax);
      refuseOver(names[kind], totals[kind], quotas.followersMax);
      own.set(organizationId, count + 1);
      totals[kind] += 1;
      metrics[kind].inc();
      let isCounted = true;
      return () => {
        if (!isCounted) return;
        isCounted = false;
        const left = own.get(organizationId)! - 1;
        if (left > 0) own.set(organizationId, left);
        else own.delete(organizationId);
        totals[kind] -= 1;
        metrics[kind].dec();
      };
    },
  };
}

function refuseOver(what: string, count: number, max: number): void {
  if (count >= max) throw new WorktrailError('rate_limited', `${what}: ${count} of at most ${max}`);
}
