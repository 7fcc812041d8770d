// What is asked about, and that all of it is stored which the stream held when the question came.

import type { Cursor } from '@worktrail/contract/cursor';
import type { SessionScope } from '@worktrail/proto/trace';
import { type FlushBarrier, organizationSubjects, sessionSubjects } from '../flush-barrier.ts';
import type { Ingest } from '../ingest/ingest.ts';
import { checkName, invalid } from './asked.ts';

export interface Scopes {
  /** @throws ConnectError INVALID_ARGUMENT */
  session(given: SessionScope | undefined): { scope: SessionScope; ingest: Ingest };
  /** Checked, and behind the barrier. */
  passSession(given: SessionScope | undefined): Promise<{ scope: SessionScope; stored: Cursor }>;
  passOrganization(organizationId: string): Promise<void>;
}

export interface ScopesDeps {
  barrier: FlushBarrier;
  /** By partition. */
  ingests: readonly Ingest[];
}

export function createScopes({ barrier, ingests }: ScopesDeps): Scopes {
  function session(given: SessionScope | undefined): { scope: SessionScope; ingest: Ingest } {
    if (!given) throw invalid('scope is missing');
    checkName('scope.organization_id', given.organizationId);
    checkName('scope.session_id', given.sessionId);
    const ingest = ingests[given.partition];
    if (!ingest) throw invalid(`there is no partition ${given.partition}`);
    return { scope: given, ingest };
  }

  return {
    session,
    passSession: async (given) => {
      const { scope, ingest } = session(given);
      return { scope, stored: await barrier.pass(ingest, sessionSubjects(scope)) };
    },
    passOrganization: async (organizationId) => {
      checkName('organization_id', organizationId);
      await Promise.all(
        ingests.map((ingest, partition) => barrier.pass(ingest, organizationSubjects(partition, organizationId))),
      );
    },
  };
}
