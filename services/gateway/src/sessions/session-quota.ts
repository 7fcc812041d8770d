// The operator's quotas of sessions: how many live, and whether more may be made.
//
// 1. A session counts from the moment it is asked for until it is archived or failed. One whose workflow has not reported after ten
//    minutes (an attempt of a trial that waits, or was never begun) counts no more until it does.
// 2. One gateway counts exactly, however many requests come at once. Several may let pass what they were asked in the same moment.
// 3. Where no quota is set nothing is counted.

import type { KV } from '@nats-io/kv';
import type { SessionDocument } from '@worktrail/contract/documents';
import { WorktrailError } from '@worktrail/contract/errors';
import type { OperatorConfig } from '@worktrail/runtime/operator-config';
import { callTimeoutsMs, unavailable, within } from '../deadline.ts';

const unreportedMs = 10 * 60_000;

export interface AskedSession {
  organizationId: string;
  projectId: string;
  sessionId: string;
}

export interface SessionQuota {
  /** Counts sessions of one project in. @throws organization_sessions_exceeded, project_sessions_exceeded */
  admit(asked: readonly AskedSession[]): Promise<void>;
}

interface LiveSession {
  organizationId: string;
  projectId: string;
  /** When it stops to count unless its workflow reports, ms since 1970; null once that has. */
  lapsesAt: number | null;
}

export function createSessionQuota(
  bucket: KV,
  quotas: Pick<OperatorConfig['quotas'], 'sessionsPerOrganizationMax' | 'sessionsPerProjectMax'>,
  now: () => number,
): SessionQuota {
  const { sessionsPerOrganizationMax, sessionsPerProjectMax } = quotas;
  if (sessionsPerOrganizationMax === null && sessionsPerProjectMax === null) return { admit: async () => undefined };
  let census: Promise<Map<string, LiveSession>> | undefined;

  const counted = () => {
    census ??= followSessions(bucket, () => (census = undefined)).catch((error: unknown) => {
      census = undefined;
      throw error;
    });
    return within('nats', callTimeoutsMs.nats, () => census as Promise<Map<string, LiveSession>>);
  };
  return {
    async admit(asked) {
      const live = await counted();
      const added = asked.filter(({ sessionId }) => !live.has(sessionId));
      const [first] = added;
      if (!first) return;
      const at = now();
      for (const [id, { lapsesAt }] of live) if (lapsesAt !== null && lapsesAt <= at) live.delete(id);
      const ofOrganization = [...live.values()].filter((one) => one.organizationId === first.organizationId);
      const ofProject = ofOrganization.filter((one) => one.projectId === first.projectId);
      refuseOver('organization', ofOrganization.length, added.length, sessionsPerOrganizationMax);
      refuseOver('project', ofProject.length, added.length, sessionsPerProjectMax);
      for (const { sessionId, organizationId, projectId } of added) {
        live.set(sessionId, { organizationId, projectId, lapsesAt: at + unreportedMs });
      }
    },
  };
}

function refuseOver(whose: 'organization' | 'project', live: number, added: number, max: number | null): void {
  if (max === null || live + added <= max) return;
  const detail = `live sessions of the ${whose}: ${live} of at most ${max}, asked for ${added} more; archive some`;
  throw new WorktrailError(`${whose}_sessions_exceeded`, detail);
}

/** Resolves with what is stored, and keeps it true from then on. `onEnd`: it is followed no longer. */
async function followSessions(bucket: KV, onEnd: () => void): Promise<Map<string, LiveSession>> {
  const live = new Map<string, LiveSession>();
  const read = Promise.withResolvers<void>();
  const { values } = await bucket.status();
  const entries = await bucket.watch();
  if (values === 0) read.resolve();
  const follow = async () => {
    for await (const entry of entries) {
      if (entry.operation === 'PUT') record(live, entry.json<SessionDocument>());
      if (entry.isUpdate) read.resolve();
    }
  };
  void follow()
    .catch(() => undefined)
    .finally(() => {
      read.reject(unavailable('nats', 'the sessions can no longer be followed'));
      onEnd();
    });
  await read.promise;
  return live;
}

function record(live: Map<string, LiveSession>, document: SessionDocument): void {
  const { id, organizationId, projectId, state, version } = document;
  if (state === 'archived' || state === 'failed') live.delete(id);
  else {
    const lapsesAt = version === 0 ? Date.parse(document.createdAt) + unreportedMs : null;
    live.set(id, { organizationId, projectId, lapsesAt });
  }
}
