// Which files were changed most, as checkpoints tell it: whoever has changed them.

import { sql } from '../clickhouse/sql-text.ts';
import { counted } from './counted.ts';
import { eventsOf } from './events-of.ts';
import type { Report } from './report.ts';

const keys = {
  path: sql`path`,
  project: sql`project_id`,
  task: sql`task_id`,
  session: sql`session_id`,
  status: sql`toString(status)`,
};

export const filesChanged: Report = {
  groups: Object.keys(keys),
  statement: (question, rowsMax) => {
    const isPath = question.groupBy === 'path';
    return counted(question, rowsMax, {
      keys,
      columns: sql`${isPath ? sql`project_id` : sql`NULL`} AS projectId, count() AS changes, uniqExact(session_id) AS sessions,
        sum(added) AS linesAdded, sum(removed) AS linesRemoved`,
      // By ARRAY JOIN: for the function arrayJoin ClickHouse would not use the projection.
      from: sql`(
        SELECT project_id, task_id, session_id, time, \`files.path\`, \`files.status\`, \`files.additions\`, \`files.deletions\`
        FROM events_v1 WHERE ${eventsOf(question, 'files.changed')}
      ) ARRAY JOIN \`files.path\` AS path, \`files.status\` AS status, \`files.additions\` AS added, \`files.deletions\` AS removed`,
      order: sql`changes DESC, linesAdded + linesRemoved DESC`,
      ...(isPath && { also: sql`project_id` }),
    });
  },
};
