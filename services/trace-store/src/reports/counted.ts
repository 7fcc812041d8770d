// One row for each group, and for each interval of it where that is asked for: the newest interval first, in it by the order of the report.

import { type Sql, sql } from '../clickhouse/sql-text.ts';
import { startOf } from './intervals.ts';
import type { ReportQuestion } from './report.ts';

/** What rows of most reports may be of. '' of `all`, which is one row. */
export const commonKeys = {
  all: sql`''`,
  project: sql`project_id`,
  task: sql`task_id`,
  session: sql`session_id`,
} as const;

export interface Counted {
  /** By the name of the group. */
  keys: Readonly<Record<string, Sql>>;
  /** Aggregates with their names, separated by commas. */
  columns: Sql;
  /** A table with WHERE, or a subquery. */
  from: Sql;
  /** Of the rows, the first ones being what is asked for. */
  order: Sql;
  /** Of what is in `from`. */
  time?: Sql;
  /** By this column too: keys alone are not all that a row is of. */
  also?: Sql;
}

export function counted({ groupBy, interval }: ReportQuestion, rowsMax: number, parts: Counted): Sql {
  const { keys, columns, from, order, time = sql`time`, also } = parts;
  const [start, groups, newest] =
    interval === 'none'
      ? [sql``, sql`key`, sql``]
      : [sql`${startOf(interval, time)} AS start, `, sql`start, key`, sql`start DESC, `];
  const more = also ? sql`, ${also}` : sql``;
  return sql`SELECT ${start}${keys[groupBy]!} AS key, ${columns} FROM ${from} GROUP BY ${groups}${more}
    ORDER BY ${newest}${order}, key${more} LIMIT ${rowsMax}`;
}
