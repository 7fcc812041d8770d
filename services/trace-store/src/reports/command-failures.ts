// Commands that did not end with exit code 0, by what became of them.

import { sql } from '../clickhouse/sql-text.ts';
import { commonKeys, counted } from './counted.ts';
import { eventsOf } from './events-of.ts';
import { succeeded } from './outcomes.ts';
import type { Report } from './report.ts';

const keys = {
  kind: sql`if(outcome = 'exited', concat('exit ', toString(ifNull(exit_code, 0))), outcome)`,
  ...commonKeys,
};

export const commandFailures: Report = {
  groups: Object.keys(keys),
  statement: (question, rowsMax) =>
    counted(question, rowsMax, {
      keys,
      columns: sql`count() AS failures, uniqExact(session_id) AS sessions, max(time) AS lastAt`,
      from: sql`events_v1 WHERE ${eventsOf(question, 'command.ended')} AND NOT ${succeeded}`,
      order: sql`failures DESC`,
    }),
};
