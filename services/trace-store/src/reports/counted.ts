// One row for each group, and for each interval of it where that is asked for: the newest interval first, in it by the order of the report.

import { type Sql, sql } from '../sql-text.ts';
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
  /** Keys that are the same in different projects are not one. */
  byProject?: boolean;
}

export function counted({ groupBy, interval }: ReportQuestion, rowsMax: number, parts: Counted): Sql {
  const { keys, columns, from, order, time = sql`time`, byProject } = parts;
  const [start, groups, newest] =
    interval === 'none'
      ? [sql``, sql`key`, sql``]
      : [sql`${startOf(interval, time)} AS start, `, sql`start, key`, sql`start DESC, `];
  const projects = byProject ? sql`, project_id` : sql``;
  return sql`SELECT ${start}${keys[groupBy]!} AS key, ${columns} FROM ${from} GROUP BY ${groups}${projects}
    ORDER BY ${newest}${order}, key${projects} LIMIT ${rowsMax}`;
}
