// The operator's quotas of live sessions: whether more may be made.
//
// 1. What counts is said by the census.
// 2. One gateway counts exactly, however many requests come at once. Several may let pass what they were asked in the same moment.
// 3. Where no quota is set nothing is counted.

import { WorktrailError } from '@worktrail/contract/errors';
import type { OperatorConfig } from '@worktrail/runtime/operator-config';
import type { AskedSession, SessionCensus } from './session-census.ts';

export interface SessionQuota {
  /** Counts sessions of one project in. @throws organization_sessions_exceeded, project_sessions_exceeded */
  admit(asked: readonly AskedSession[]): Promise<void>;
}

export function createSessionQuota(
  census: SessionCensus,
  quotas: Pick<OperatorConfig['quotas'], 'sessionsPerOrganizationMax' | 'sessionsPerProjectMax'>,
): SessionQuota {
  const { sessionsPerOrganizationMax, sessionsPerProjectMax } = quotas;
  if (sessionsPerOrganizationMax === null && sessionsPerProjectMax === null) return { admit: async () => undefined };
  return {
    async admit(asked) {
      const live = await census.live();
      const added = asked.filter(({ sessionId }) => !live.has(sessionId));
      const [first] = added;
      if (!first) return;
      const ofOrganization = [...live.values()].filter((one) => one.organizationId === first.organizationId);
      const ofProject = ofOrganization.filter((one) => one.projectId === first.projectId);
      refuseOver('organization', ofOrganization.length, added.length, sessionsPerOrganizationMax);
      refuseOver('project', ofProject.length, added.length, sessionsPerProjectMax);
      census.expect(added);
    },
  };
}

function refuseOver(whose: 'organization' | 'project', live: number, added: number, max: number | null): void {
  if (max === null || live + added <= max) return;
  const detail = `live sessions of the ${whose}: ${live} of at most ${max}, asked for ${added} more; archive some`;
  throw new WorktrailError(`${whose}_sessions_exceeded`, detail);
}
