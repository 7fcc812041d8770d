// Totals, counted again on request.

import { Code, ConnectError, type ServiceImpl } from '@connectrpc/connect';
import type { TraceService } from '@worktrail/proto/trace';
import type { Totals } from '../totals/totals.ts';
import type { Scopes } from './scopes.ts';

export interface TotalsQuestionsDeps {
  totals: Pick<Totals, 'recount'>;
  scopes: Scopes;
}

export function createTotalsQuestions({
  totals,
  scopes,
}: TotalsQuestionsDeps): Pick<ServiceImpl<typeof TraceService>, 'recomputeTotals'> {
  return {
    // As long as it takes: it goes on where the caller has gone.
    recomputeTotals: async ({ organizationId }) => {
      await scopes.passOrganization(organizationId);
      try {
        const { sessions, days } = await totals.recount(organizationId);
        return { sessions: BigInt(sessions), days: BigInt(days) };
      } catch (error) {
        const detail = `totals are not counted: ${(error as Error).message}`;
        throw new ConnectError(detail, Code.Unavailable, undefined, undefined, error);
      }
    },
  };
}
