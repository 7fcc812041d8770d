// Tokens and cost of the calls of models that Worktrail has made or passed on, by what they were for.
//
// Every such call is told of by one `usage` event. What an agent in a sandbox has used past Worktrail is not in it.

import { sql } from '../clickhouse/sql-text.ts';
import { commonKeys, counted } from './counted.ts';
import { eventsOf } from './events-of.ts';
import type { Report } from './report.ts';

const keys = { model: sql`model`, ...commonKeys, day: sql`toString(toDate(time))` };
/** The newest day first; of the others what cost most. */
const byDay = sql`key DESC`;
const byCost = sql`costUsd DESC, inputTokens + outputTokens DESC`;

export const usage: Report = {
  groups: Object.keys(keys),
  statement: (question, rowsMax) =>
    counted(question, rowsMax, {
      keys,
      columns: sql`count() AS calls, sum(input_tokens) AS inputTokens, sum(output_tokens) AS outputTokens,
        sum(cached_input_tokens) AS cachedInputTokens, sum(cost_usd) AS costUsd`,
      from: sql`events_v1 WHERE ${eventsOf(question, 'usage')}`,
      order: question.groupBy === 'day' ? byDay : byCost,
    }),
};
