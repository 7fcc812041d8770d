// Which files agents and people were shown most. What a shell reads is not told.

import { sql } from '../clickhouse/sql-text.ts';
import { commonKeys, counted } from './counted.ts';
import { eventsOf } from './events-of.ts';
import type { Report } from './report.ts';

const { all: _, ...others } = commonKeys;
const keys = { path: sql`path`, ...others };

export const filesRead: Report = {
  groups: Object.keys(keys),
  statement: (question, rowsMax) => {
    const isPath = question.groupBy === 'path';
    return counted(question, rowsMax, {
      keys,
      columns: sql`${isPath ? sql`project_id` : sql`NULL`} AS projectId, count() AS reads, uniqExact(session_id) AS sessions,
        sum(bytes) AS bytesRead`,
      from: sql`events_v1 WHERE ${eventsOf(question, 'file.read')}`,
      order: sql`reads DESC, bytesRead DESC`,
      ...(isPath && { also: sql`project_id` }),
    });
  },
};
