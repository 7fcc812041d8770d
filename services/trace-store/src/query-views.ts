// The views that a tenant's SQL reads, over one organization's rows: snake_case columns, one row per thing, duplicates collapsed.

import { quoteString } from './sql-text.ts';
import { typedColumns } from './typed-columns.ts';

export const viewNames: ReadonlySet<string> = new Set(['events', 'commands', 'command_output', 'sessions']);

export const viewTables = ['events_v1', 'commands_v1', 'command_output_v1', 'sessions_v1'] as const;

/** The definitions that stand in front of the statement, separated by commas. */
export function viewDefinitions(organizationId: string): string {
  const where = `WHERE organization_id = ${quoteString(organizationId)}`;
  return `events AS (
      SELECT project_id, session_id, epoch, sequence, fill, producer, number, event_id, type, time, turn_id, command_id, actor_kind,
        actor_id, generation, data, stream, \`offset\`, position, size, task_id, trial_id, ${typedColumns.join(', ')}
      FROM events_v1 FINAL ${where}
    ),
    commands AS (
      SELECT any(project_id) AS project_id, session_id, command_id, max(command) AS command, max(cwd) AS cwd, max(origin) AS origin,
        max(background) = 1 AS background, max(timeout_seconds) AS timeout_seconds, max(queued_at) AS queued_at,
        max(started_at) AS started_at, max(ended_at) AS ended_at,
        multiIf(ended_at IS NOT NULL, 'ended', started_at IS NOT NULL, 'running', 'queued') AS state,
        dateDiff('millisecond', started_at, ended_at) AS duration_ms, max(outcome) AS outcome, max(reason) AS reason,
        max(exit_code) AS exit_code, max(signal) AS signal, max(stdout_bytes) AS stdout_bytes, max(stderr_bytes) AS stderr_bytes,
        max(user_cpu_micros) AS user_cpu_micros, max(system_cpu_micros) AS system_cpu_micros,
        max(max_rss_kilobytes) AS max_rss_kilobytes
      FROM commands_v1 ${where} GROUP BY session_id, command_id
    ),
    command_output AS (
      SELECT project_id, task_id, session_id, command_id, position, stream, \`offset\`, epoch, sequence, fill, time, size, body
      FROM command_output_v1 ${where}
    ),
    sessions AS (
      SELECT session_id, max(project_id) AS project_id, max(task_id) AS task_id, max(trial_id) AS trial_id, max(title) AS title,
        max(branch) AS branch, max(base_ref) AS base_ref, tupleElement(max(sessions_v1.state), 3) AS state,
        max(failure_code) AS failure_code, max(created_at) AS created_at, max(last_event_at) AS last_event_at,
        max(generation) AS generation
      FROM sessions_v1 ${where} GROUP BY session_id
    )`;
}

/** The same filter on the tables themselves, below whatever the statement does with the views. */
export function tableFilters(database: string, organizationId: string): string {
  const filter = quoteString(`organization_id = ${quoteString(organizationId)}`);
  return `{${viewTables.map((table) => `${quoteString(`${database}.${table}`)}: ${filter}`).join(', ')}}`;
}
