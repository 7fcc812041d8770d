// Takes away what is older than an organization keeps it.
//
// 1. Events go by whole sessions: those that are archived, had nothing stored since the cut-off, and are not the beginning of the history of
//    one that is not archived. What stands of their producers is written first (retained.ts); a death in between is made good by the next run.
// 2. Output goes by its own time, of commands that have ended: their events say how much there was.
// 3. Of removals of events there is one at a time: what it left, because it took longer than this process lived, the next one waits for.
// 4. The newest audit record of all stays: it is where its stream stands.

import type { SessionDocument } from '@worktrail/contract/documents';
import type { RetentionKind } from '@worktrail/contract/retention';
import type { ClickHouse } from '../clickhouse/store.ts';
import { readRowBinary } from '../clickhouse/row-bytes.ts';
import { type Sql, sql } from '../clickhouse/sql-text.ts';
import { listOf } from '../ingest/retained.ts';

/** In one statement: each rewrites the parts it concerns. */
const sessionsMax = 2_000;

export type SessionFacts = Pick<SessionDocument, 'id' | 'organizationId' | 'state'> & { ancestors: readonly string[] };

export interface Expiry {
  organizationId: string;
  kind: RetentionKind;
  /** What was stored before it goes. */
  cutoff: Date;
}

/** Those of the organization whose events may go: pure. */
export function expendable(sessions: readonly SessionFacts[], organizationId: string): string[] {
  const own = sessions.filter((session) => session.organizationId === organizationId);
  const needed = new Set(own.filter(({ state }) => state !== 'archived').flatMap(({ ancestors }) => ancestors));
  return own.filter(({ id, state }) => state === 'archived' && !needed.has(id)).map(({ id }) => id);
}

/** How many rows went. */
export async function expire(
  clickhouse: ClickHouse,
  { organizationId, kind, cutoff }: Expiry,
  sessions: readonly SessionFacts[],
): Promise<number> {
  const old = sql`organization_id = ${organizationId} AND ingested_at < ${cutoff}`;
  switch (kind) {
    case 'output':
      return await remove(
        clickhouse,
        'command_output_v1',
        sql`${old} AND command_id IN (
          SELECT command_id FROM commands_v1 WHERE organization_id = ${organizationId} AND ended_at IS NOT NULL)`,
      );
    case 'audit': {
      const newest = sql`(SELECT max((epoch, sequence)) FROM audit_v1)`;
      return await remove(clickhouse, 'audit_v1', sql`${old} AND (epoch, sequence) != ${newest}`);
    }
    case 'events':
      return await expireSessions(clickhouse, organizationId, cutoff, expendable(sessions, organizationId));
  }
}

async function expireSessions(
  clickhouse: ClickHouse,
  organizationId: string,
  cutoff: Date,
  candidates: readonly string[],
): Promise<number> {
  await noneIsUnderWay(clickhouse);
  let removed = 0;
  for (let start = 0; start < candidates.length; start += sessionsMax) {
    const some = candidates.slice(start, start + sessionsMax);
    const sessions = await endedBefore(clickhouse, organizationId, cutoff, some);
    if (sessions.length === 0) continue;
    const those = sql`organization_id = ${organizationId} AND session_id IN (${listOf(sessions)})`;
    const last = sql`max((epoch, sequence, fill))`;
    const marks = sql`
      INSERT INTO retained_marks_v1 (organization_id, session_id, producer, partition, number, epoch, sequence, fill)
      SELECT organization_id, session_id, producer, any(partition), max(number), ${last}.1, ${last}.2, ${last}.3
      FROM events_v1 WHERE ${those} GROUP BY organization_id, session_id, producer`;
    await clickhouse.command(marks.text);
    for (const table of ['command_output_v1', 'commands_v1', 'turns_v1']) await remove(clickhouse, table, those);
    removed += await remove(clickhouse, 'events_v1', those);
  }
  return removed;
}

/** The engine tries a removal again until it is done, also after a restart: until then there is no other. @throws while there is one */
async function noneIsUnderWay(clickhouse: ClickHouse): Promise<void> {
  const [removal] = await clickhouse.rows<{ reason: string }>(
    `SELECT latest_fail_reason AS reason FROM system.mutations
     WHERE database = currentDatabase() AND table = 'events_v1' AND NOT is_done AND command LIKE '%DELETE WHERE%' LIMIT 1`,
  );
  if (!removal) return;
  const why = removal.reason === '' ? '' : `; it has failed so far: ${removal.reason}`;
  throw new Error(`events that expired before are still being removed${why}`);
}

/** Of these sessions those of which something is stored, and nothing since the cut-off. */
async function endedBefore(
  clickhouse: ClickHouse,
  organizationId: string,
  cutoff: Date,
  sessionIds: readonly string[],
): Promise<string[]> {
  const { text } = sql`SELECT session_id FROM events_v1
    WHERE organization_id = ${organizationId} AND session_id IN (${listOf(sessionIds)})
    GROUP BY session_id HAVING max(ingested_at) < ${cutoff}`;
  const row = readRowBinary(await clickhouse.bytes(text));
  const found: string[] = [];
  while (!row.isAtEnd()) found.push(row.bytes().toString());
  return found;
}

async function remove(clickhouse: ClickHouse, table: string, which: Sql): Promise<number> {
  const row = readRowBinary(await clickhouse.bytes(`SELECT toUInt64(count()) FROM ${table} WHERE ${which.text}`));
  const rows = row.number();
  if (rows > 0) await clickhouse.command(deletion(table, which));
  return rows;
}

/** Rows that are only marked as deleted stay in a projection, and reports would go on counting them: so those of events are deleted for good. */
function deletion(table: string, { text }: Sql): string {
  return table === 'events_v1'
    ? `ALTER TABLE ${table} DELETE WHERE ${text} SETTINGS mutations_sync = 2`
    : `DELETE FROM ${table} WHERE ${text}`;
}
