// Looks through everything once an hour for what is not to be kept any more, in the process that stores.
//
// What goes is decided anew in each run, from the organizations' configuration, the operator's ceilings and the sessions' documents. A document
// that cannot be read stops the run: what is not known is not taken away. Totals are counted again behind it; for a process that died before
// that, by the next one's first run.

import type { KV } from '@nats-io/kv';
import type { SessionDocument } from '@worktrail/contract/documents';
import {
  effectiveRetention,
  type RetentionCeilings,
  type RetentionDays,
  type RetentionDocument,
  type RetentionKind,
  retentionKeys,
  retentionKinds,
} from '@worktrail/contract/retention';
import { readAllDocuments } from '@worktrail/runtime/all-documents';
import { readDocument } from '@worktrail/runtime/buckets';
import type { Logger } from '@worktrail/runtime/log';
import type { ClickHouse } from '../clickhouse/store.ts';
import type { StoringRight } from '../ingest/ingest-lease.ts';
import { readRowBinary } from '../clickhouse/row-bytes.ts';
import { dateTimeText } from '../clickhouse/sql-text.ts';
import type { Totals } from '../totals/totals.ts';
import { expire, type SessionFacts } from './expire.ts';

const dayMs = 24 * 3_600_000;

export interface RetentionDeps {
  clickhouse: ClickHouse;
  configuration: KV;
  sessions: KV;
  ceilings: RetentionCeilings;
  right: Pick<StoringRight, 'fence'>;
  totals: Pick<Totals, 'recount'>;
  /** Organizations whose totals were counted by a run of this process. */
  recounted: Set<string>;
  now: () => Date;
  log: Logger;
}

export async function runRetention(deps: RetentionDeps): Promise<void> {
  const { clickhouse, configuration, sessions, ceilings, right, now, log } = deps;
  if (right.fence() === undefined) return;
  const said = await readSaid(configuration);
  const isBounded = Object.values(ceilings).some((days) => days !== null);
  if (said.length === 0 && !isBounded) return;
  const byOrganization = new Map(said.map((document) => [document.organizationId, document]));
  const organizations = new Set([
    ...byOrganization.keys(),
    ...(isBounded ? await storedOrganizations(clickhouse) : []),
  ]);
  const facts = await readFacts(sessions);
  for (const organizationId of organizations) {
    const days = effectiveRetention(byOrganization.get(organizationId), ceilings);
    // Output first: its rows go with their sessions, too.
    for (const kind of retentionKinds.toReversed()) {
      const kept = daysOf(days, kind);
      if (kept === null) continue;
      if (right.fence() === undefined) return;
      const time = now();
      const cutoff = new Date(time.getTime() - kept * dayMs);
      const removed = await expire(clickhouse, { organizationId, kind, cutoff }, facts);
      if (kind === 'events' && (removed > 0 || !deps.recounted.has(organizationId))) {
        await deps.totals.recount(organizationId);
        deps.recounted.add(organizationId);
      }
      await noteRun(clickhouse, { organizationId, kind, time, cutoff, removed });
      if (removed > 0) log.info({ organizationId, kind, cutoff, removed }, 'removed what is not kept any more');
    }
  }
}

function daysOf(days: RetentionDays, kind: RetentionKind): number | null {
  return { events: days.eventsDays, output: days.outputDays, audit: days.auditDays }[kind];
}

interface Run {
  organizationId: string;
  kind: RetentionKind;
  time: Date;
  cutoff: Date;
  removed: number;
}

async function noteRun(clickhouse: ClickHouse, { organizationId, kind, time, cutoff, removed }: Run): Promise<void> {
  const row = {
    organization_id: organizationId,
    kind,
    time: dateTimeText(time),
    cutoff: dateTimeText(cutoff),
    removed,
  };
  await clickhouse.insert('retention_runs_v1', ['organization_id', 'kind', 'time', 'cutoff', 'removed'], [row]);
}

async function storedOrganizations(clickhouse: ClickHouse): Promise<string[]> {
  const answer = await clickhouse.bytes(
    'SELECT toString(organization_id) FROM sessions_v1 GROUP BY organization_id UNION DISTINCT SELECT toString(organization_id) FROM audit_v1 GROUP BY organization_id',
  );
  const row = readRowBinary(answer);
  const found: string[] = [];
  while (!row.isAtEnd()) found.push(row.bytes().toString());
  return found;
}

async function readFacts(sessions: KV): Promise<SessionFacts[]> {
  return await readAllDocuments(sessions, ({ id, organizationId, state, inherited }: SessionDocument) => ({
    ...{ id, organizationId, state },
    ancestors: inherited.map(({ sessionId }) => sessionId),
  }));
}

async function readSaid(configuration: KV): Promise<RetentionDocument[]> {
  const found: RetentionDocument[] = [];
  for await (const key of await configuration.keys(retentionKeys)) {
    const stored = await readDocument<RetentionDocument>(configuration, key);
    if (stored) found.push(stored.value);
  }
  return found;
}
