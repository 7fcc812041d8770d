// Lists of sessions and of audit records, newest first: in the order of their tables' keys, so that any page reads a page.

import { fromBinary } from '@bufbuild/protobuf';
import { type AuditRecord, AuditRecordSchema } from '@worktrail/proto/trace';
import type { ClickHouseReader } from '../clickhouse/store.ts';
import { type Sql, sql } from '../clickhouse/sql-text.ts';

export interface SessionFilter {
  organizationId: string;
  /** Empty: any, for each of these. */
  projectId: string;
  taskId: string;
  trialId: string;
  /** The state that the session's last event tells. */
  state: string;
  beforeSessionId: string;
}

const lookedMin = 1_000;
const lookedMax = 100_000;

/** Of the narrowest list that has them all. By state they are looked up, more at a time until there are enough. */
export async function listSessionIds(
  clickhouse: ClickHouseReader,
  filter: SessionFilter,
  limit: number,
): Promise<string[]> {
  if (filter.state === '') return await listed(clickhouse, filter, limit);
  const found: string[] = [];
  let before = filter.beforeSessionId;
  for (let looked = Math.max(limit, lookedMin); ; looked = Math.min(4 * looked, lookedMax)) {
    const ids = await listed(clickhouse, { ...filter, beforeSessionId: before }, looked);
    const newest = ids.at(0);
    const oldest = ids.at(-1);
    if (newest === undefined || oldest === undefined) return found;
    const inState = await ofState(clickhouse, filter, newest, oldest);
    found.push(...ids.filter((id) => inState.has(id)));
    if (found.length >= limit || ids.length < looked) return found.slice(0, limit);
    before = oldest;
  }
}

async function listed(clickhouse: ClickHouseReader, filter: SessionFilter, limit: number): Promise<string[]> {
  const rows = await distinct(filter.beforeSessionId, limit, (before) => {
    const older = before === '' ? sql`` : sql` AND session_id < ${before}`;
    const { text } = sql`SELECT session_id AS id FROM ${listOf(filter)}${older}
      ORDER BY organization_id DESC, list DESC, session_id DESC LIMIT ${limit} SETTINGS max_execution_time = 10`;
    return clickhouse.rows<{ id: string }>(text);
  });
  return rows.map(({ id }) => id);
}

/** Of rows that come by descending id, as many as are asked for: one that is stored twice is read twice, until its parts are merged. */
async function distinct<Row extends { id: string }>(
  before: string,
  limit: number,
  read: (before: string) => Promise<Row[]>,
): Promise<Row[]> {
  const found = new Map<string, Row>();
  for (let from = before; ; ) {
    const rows = await read(from);
    for (const row of rows) found.set(row.id, row);
    if (found.size >= limit || rows.length < limit) return [...found.values()].slice(0, limit);
    from = rows.at(-1)!.id;
  }
}

function listOf({ organizationId, projectId, taskId, trialId }: SessionFilter): Sql {
  const ofProject = projectId === '' ? sql`` : sql` AND project_id = ${projectId}`;
  const ofTask = taskId === '' ? sql`` : sql` AND task_id = ${taskId}`;
  return sql`session_lists_v1 WHERE organization_id = ${organizationId} AND list = ${trialId || taskId || projectId}${ofProject}${ofTask}`;
}

async function ofState(
  clickhouse: ClickHouseReader,
  filter: SessionFilter,
  newest: string,
  oldest: string,
): Promise<ReadonlySet<string>> {
  const between = sql`session_id >= ${oldest} AND session_id <= ${newest}`;
  const { text } =
    sql`SELECT session_id AS id FROM sessions_v1 WHERE organization_id = ${filter.organizationId} AND ${between}
      AND session_id IN (SELECT session_id FROM ${listOf(filter)} AND ${between})
    GROUP BY id HAVING tupleElement(max(sessions_v1.state), 3) = ${filter.state} SETTINGS max_execution_time = 10`;
  return new Set((await clickhouse.rows<{ id: string }>(text)).map(({ id }) => id));
}

export async function listAuditRecords(
  clickhouse: ClickHouseReader,
  organizationId: string,
  beforeId: string,
  limit: number,
): Promise<AuditRecord[]> {
  const rows = await distinct(beforeId, limit, (before) => {
    const older = before === '' ? sql`` : sql` AND audit_id < ${before}`;
    const { text } = sql`SELECT audit_id AS id, base64Encode(message) AS message FROM audit_v1
      WHERE organization_id = ${organizationId}${older}
      ORDER BY organization_id DESC, audit_id DESC LIMIT ${limit} SETTINGS max_execution_time = 10`;
    return clickhouse.rows<{ id: string; message: string }>(text);
  });
  return rows.map((row) => fromBinary(AuditRecordSchema, Buffer.from(row.message, 'base64')));
}
