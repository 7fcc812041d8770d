// What every report is asked for and answers.

import type { Sql } from '../clickhouse/sql-text.ts';
import type { Interval } from './intervals.ts';

export interface ReportQuestion {
  organizationId: string;
  /** Of the events' own times; absent: without a bound. */
  from?: Date | undefined;
  /** The first moment that does not count. */
  to?: Date | undefined;
  /** '' : of all. */
  projectId: string;
  /** Only of sessions that were made with it; undefined `value`: whatever it is. */
  label?: { name: string; value?: string | undefined } | undefined;
  /** What a row is of. */
  groupBy: string;
  /** A row for each of these too; none: for all of the time together. */
  interval: Interval;
}

export interface Report {
  /** What its rows may be of. */
  readonly groups: readonly string[];
  /** Its rows are things, not counts: there are none of an interval. */
  readonly isList?: true;
  /** @param rowsMax the rows that are answered at most */
  statement(question: ReportQuestion, rowsMax: number): Sql;
}
