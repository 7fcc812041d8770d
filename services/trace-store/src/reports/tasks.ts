// How many attempts at tasks were judged, and how: by what was to be done, and by what was done differently.

import { sql } from '../clickhouse/sql-text.ts';
import { commonKeys, counted } from './counted.ts';
import { eventsOf } from './events-of.ts';
import type { Report } from './report.ts';

const { session: _, ...others } = commonKeys;
/** `task_strategy`: of each strategy at each task. */
const keys = { ...others, strategy: sql`strategy`, task_strategy: sql`task_id`, trial: sql`trial_id` };

export const tasks: Report = {
  groups: Object.keys(keys),
  statement: (question, rowsMax) => {
    const isBoth = question.groupBy === 'task_strategy';
    return counted(question, rowsMax, {
      keys,
      columns: sql`${isBoth ? sql`toString(strategy)` : sql`NULL`} AS ofStrategy, count() AS attempts,
        countIf(outcome = 'passed') AS passed, countIf(outcome = 'failed') AS failed,
        countIf(outcome NOT IN ('passed', 'failed')) AS unjudged, passed / attempts AS success`,
      from: sql`events_v1 WHERE ${eventsOf(question, 'trial.verdict')}`,
      order: sql`attempts DESC`,
      ...(isBoth && { also: sql`strategy` }),
    });
  },
};
