// How long sessions took to go on that had been asleep, or had lost their sandbox or host, and what became of it. Of what began in the time
// asked about and is over.

import { sql } from '../clickhouse/sql-text.ts';
import { counted } from './counted.ts';
import { durations } from './durations.ts';
import { eventsSince } from './events-of.ts';
import type { Report } from './report.ts';

const keys = {
  reason: sql`reason`,
  /** resumed: exactly as left. */
  outcome: sql`outcome`,
  project: sql`project_id`,
  session: sql`session_id`,
};

const isStart = sql`type = 'session.resuming'`;
const isEnd = sql`type NOT IN ('session.resuming', 'session.restored')`;
/** Of one moment: what is restored goes on, and may be lost again. */
const rank = sql`multiIf(${isStart}, 2, ${isEnd}, 1, 0)`;

export const recovery: Report = {
  groups: Object.keys(keys),
  statement: (question, rowsMax) => {
    const until = question.to ? sql` AND begun < ${question.to}` : sql``;
    return counted(question, rowsMax, {
      keys,
      columns: sql`count() AS recoveries, ${durations}`,
      // A round of a session ends with each end; one that was lost again meanwhile takes as long as both together.
      from: sql`(
        SELECT any(project_id) AS project_id, session_id, minIf(time, ${isStart}) AS begun, minIf(time, ${isEnd}) AS ended,
          argMinIf(why, time, ${isStart}) AS reason,
          if(countIf(type = 'session.restored') > 0 AND countIf(type = 'session.resumed') > 0, 'restored', substring(anyIf(type, ${isEnd}), 9)) AS outcome
        FROM (
          SELECT project_id, session_id, type, time, reason AS why, countIf(${isEnd}) OVER (
            PARTITION BY session_id ORDER BY time, ${rank} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
          ) AS round
          FROM events_v1 WHERE ${eventsSince(
            question,
            ...([
              'session.resuming',
              'session.restored',
              'session.resumed',
              'session.hibernated',
              'session.archived',
              'session.failed',
            ] as const),
          )}
        )
        GROUP BY session_id, round HAVING countIf(${isStart}) > 0 AND countIf(${isEnd}) > 0${until}
      )`,
      time: sql`begun`,
      order: sql`recoveries DESC`,
    });
  },
};
