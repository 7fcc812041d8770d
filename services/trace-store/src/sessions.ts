// Lists of sessions and of audit records, newest first.

import { fromBinary } from '@bufbuild/protobuf';
import { type AuditRecord, AuditRecordSchema } from '@worktrail/proto/trace';
import type { ClickHouseReader } from './clickhouse/store.ts';

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

export async function listSessionIds(
  clickhouse: ClickHouseReader,
  filter: SessionFilter,
  limit: number,
): Promise<string[]> {
  const rows = await clickhouse.rows<{ id: string }>(
    `SELECT id FROM (
       SELECT session_id AS id, max(project_id) AS project, max(task_id) AS task, max(trial_id) AS trial, max(state).3 AS latest
       FROM sessions_v1
       WHERE organization_id = {organization:String} AND ({before:String} = '' OR session_id < {before:String})
       GROUP BY session_id
     )
     WHERE ({project:String} = '' OR project = {project:String}) AND ({task:String} = '' OR task = {task:String})
       AND ({trial:String} = '' OR trial = {trial:String}) AND ({state:String} = '' OR latest = {state:String})
     ORDER BY id DESC LIMIT {limit:UInt32} SETTINGS max_execution_time = 10`,
    {
      organization: filter.organizationId,
      project: filter.projectId,
      task: filter.taskId,
      trial: filter.trialId,
      state: filter.state,
      before: filter.beforeSessionId,
      limit,
    },
  );
  return rows.map((row) => row.id);
}

export async function listAuditRecords(
  clickhouse: ClickHouseReader,
  organizationId: string,
  beforeId: string,
  limit: number,
): Promise<AuditRecord[]> {
  const rows = await clickhouse.rows<{ message: string }>(
    `SELECT base64Encode(message) AS message FROM audit_v1
     WHERE organization_id = {organization:String} AND ({before:String} = '' OR audit_id < {before:String})
     ORDER BY audit_id DESC LIMIT 1 BY audit_id LIMIT {limit:UInt32} SETTINGS max_execution_time = 10`,
    { organization: organizationId, before: beforeId, limit },
  );
  return rows.map((row) => fromBinary(AuditRecordSchema, Buffer.from(row.message, 'base64')));
}
