// Which events a report counts, so that ClickHouse reads them from events_v1's projection by_type_v2: its order is that of these conditions.
// A block of events is stored once, so nothing has to be collapsed; FINAL would not use the projection.

import type { EventType } from '@worktrail/contract/event-types';
import { sqlList, type Sql, sql } from '../clickhouse/sql-text.ts';
import type { ReportQuestion } from './report.ts';

export function eventsOf(question: ReportQuestion, ...types: EventType[]): Sql {
  const until = question.to ? sql` AND time < ${question.to}` : sql``;
  return sql`${eventsSince(question, ...types)}${until}`;
}

/** And what came after the time that is asked about: for what began in it. */
export function eventsSince(question: ReportQuestion, ...types: EventType[]): Sql {
  const { organizationId, projectId, from } = question;
  const ofProject = projectId === '' ? sql`` : sql` AND project_id = ${projectId}`;
  const since = from ? sql` AND time >= ${from}` : sql``;
  return sql`organization_id = ${organizationId} AND type IN (${sqlList(types)})${since}${ofProject}${labelled(question)}`;
}

/** Labels never change, so a session's rows need not be laid together for them. */
function labelled({ organizationId, label }: ReportQuestion): Sql {
  if (!label) return sql``;
  const { name, value } = label;
  const of = value === undefined ? sql`` : sql` AND labels[${name}] = ${value}`;
  return sql` AND session_id IN (
    SELECT session_id FROM sessions_v1 WHERE organization_id = ${organizationId} AND mapContains(labels, ${name})${of}
  )`;
}
