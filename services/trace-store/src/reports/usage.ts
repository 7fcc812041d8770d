// Tokens and cost of the calls of models that Worktrail has made or passed on, by what they were for.
//
// Every such call is told of by one `usage` event. What an agent in a sandbox has used past Worktrail is not in it.

import { type Sql, sql } from '../sql-text.ts';
import { eventsOf } from './events-of.ts';
import type { Report } from './report.ts';

const keys: Readonly<Record<string, Sql>> = {
  model: sql`model`,
  project: sql`project_id`,
  session: sql`session_id`,
  task: sql`task_id`,
  day: sql`toString(toDate(time))`,
};
/** The newest day first; of the others what cost most. */
const byDay = sql`key DESC`;
const byCost = sql`costUsd DESC, inputTokens + outputTokens DESC, key`;

export const usage: Report = {
  groups: Object.keys(keys),
  statement: (question, rowsMax) => sql`
    SELECT ${keys[question.groupBy]!} AS key, count() AS calls, sum(input_tokens) AS inputTokens, sum(output_tokens) AS outputTokens,
      sum(cached_input_tokens) AS cachedInputTokens, sum(cost_usd) AS costUsd
    FROM events_v1 WHERE ${eventsOf(question, 'usage')}
    GROUP BY key ORDER BY ${question.groupBy === 'day' ? byDay : byCost} LIMIT ${rowsMax}`,
};
