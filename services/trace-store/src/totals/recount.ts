// The statements that count events again: ClickHouse reads and writes, nothing of it passes through this process.
//
// Sessions are read by events_v1's key; days from its projection by_type_v2, which has all that they sum up. A block of events is stored once
// (event-sink.ts), so nothing is collapsed.

import { Sql, sql } from '../clickhouse/sql-text.ts';
import { type DayRef, dayMs, type SessionRef } from './dirt.ts';

/** They run beside the ingest. */
const settings = sql`SETTINGS max_threads = 1, max_execution_time = 300, max_bytes_before_external_group_by = 200000000`;

const sessionsMax = 500;
const daysMax = 50;

export function recountSessions(sessions: Iterable<SessionRef>, version: number): Sql[] {
  return chunks([...sessions], sessionsMax).map((some) => {
    const keys = some.map(({ organizationId, sessionId }) => sql`(${organizationId}, ${sessionId})`);
    return countSessions(sql`(organization_id, session_id) IN (${joined(keys, ', ')})`, version);
  });
}

export function recountDays(days: Iterable<DayRef>, version: number): Sql[] {
  return chunks([...days], daysMax).map((some) => {
    const conditions = some.map(({ organizationId, day }) => {
      const from = new Date(`${day}T00:00:00Z`);
      const to = new Date(from.getTime() + dayMs);
      return sql`(organization_id = ${organizationId} AND time >= ${from} AND time < ${to})`;
    });
    return countDays(joined(conditions, ' OR '), version);
  });
}

/** All of it; what has no events any more says so. */
export function recountOrganization(organizationId: string, version: number): Sql[] {
  const all = sql`organization_id = ${organizationId}`;
  return [
    countSessions(all, version),
    sql`INSERT INTO session_totals_v1 (organization_id, session_id, version)
        SELECT organization_id, session_id, ${version} FROM session_totals_v1 WHERE ${all}
        GROUP BY organization_id, session_id HAVING max(session_totals_v1.version) < ${version} ${settings}`,
    countDays(all, version),
    sql`INSERT INTO daily_totals_v1 (organization_id, day, project_id, type, model, version)
        SELECT organization_id, day, project_id, type, model, ${version} FROM daily_totals_v1 WHERE ${all}
        GROUP BY organization_id, day, project_id, type, model HAVING max(daily_totals_v1.version) < ${version} ${settings}`,
  ];
}

const failedCommand = sql`type = 'command.ended' AND NOT (outcome = 'exited' AND ifNull(exit_code, -1) = 0)`;
const tokens = sql`sum(input_tokens), sum(output_tokens), sum(cached_input_tokens), sum(cost_usd)`;

function countSessions(where: Sql, version: number): Sql {
  return sql`INSERT INTO session_totals_v1 (organization_id, session_id, project_id, task_id, trial_id, events, turns, commands,
      commands_failed, output_bytes, files_read, additions, deletions, input_tokens, output_tokens, cached_input_tokens, cost_usd,
      first_event_at, last_event_at, version)
    SELECT organization_id, session_id, max(project_id), max(task_id), max(trial_id), count(), countIf(type = 'turn.ended'),
      countIf(type = 'command.ended'), countIf(${failedCommand}), sumIf(bytes, type = 'command.output'), countIf(type = 'file.read'),
      sum(additions), sum(deletions), ${tokens}, min(time), max(time), ${version}
    FROM events_v1 WHERE ${where} GROUP BY organization_id, session_id ${settings}`;
}

function countDays(where: Sql, version: number): Sql {
  return sql`INSERT INTO daily_totals_v1 (organization_id, day, project_id, type, model, events, failed, bytes, duration_ms, additions,
      deletions, input_tokens, output_tokens, cached_input_tokens, cost_usd, version)
    SELECT organization_id, toDate32(time) AS day, project_id, type, model, count(), countIf(outcome = 'failed' OR (${failedCommand})),
      sum(bytes), sum(ifNull(duration_ms, 0)), sum(additions), sum(deletions), ${tokens}, ${version}
    FROM events_v1 WHERE ${where} GROUP BY organization_id, day, project_id, type, model ${settings}`;
}

function joined(parts: readonly Sql[], separator: string): Sql {
  return new Sql(parts.map(({ text }) => text).join(separator));
}

function chunks<Item>(items: readonly Item[], size: number): Item[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}
