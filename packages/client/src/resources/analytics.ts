// Reports over everything that the organization has stored.

import type { UsageReport } from '../gen/api-schemas.ts';
import type { Transport } from '../transport.ts';
import type { CallOptions } from './call.ts';

export interface ReportQuery {
  /** ISO 8601; without it, from the first event. */
  from?: string | undefined;
  /** Not included. */
  to?: string | undefined;
  projectId?: string | undefined;
}

export interface UsageQuery extends ReportQuery {
  groupBy?: UsageReport['groupBy'] | undefined;
}

export function createAnalytics(transport: Transport) {
  return {
    /** Tokens and cost of the calls of models, by model unless it says otherwise. */
    usage: (query: UsageQuery = {}, options?: CallOptions) =>
      transport.json<UsageReport>('GET', '/v1/analytics/usage', { query: { ...query }, ...options }),
  };
}
