// Which events a report counts, so that ClickHouse reads them from events_v1's projection by_type: its order is that of these conditions.
// A block of events is stored once, so nothing has to be collapsed; FINAL would not use the projection.

import type { EventType } from '@worktrail/contract/event-types';
import { type Sql, sql } from '../sql-text.ts';
import type { ReportQuestion } from './report.ts';

export function eventsOf({ organizationId, projectId, from, to }: ReportQuestion, type: EventType): Sql {
  const ofProject = projectId === '' ? sql`` : sql` AND project_id = ${projectId}`;
  const since = from ? sql` AND time >= ${from}` : sql``;
  const until = to ? sql` AND time < ${to}` : sql``;
  return sql`organization_id = ${organizationId} AND type = ${type}${since}${until}${ofProject}`;
}
