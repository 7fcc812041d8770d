// Times as reports put them together: by their beginnings, in UTC.

import { type Sql, sql } from '../clickhouse/sql-text.ts';

export type Interval = 'none' | 'hour' | 'day' | 'week' | 'month';

const functions: Readonly<Record<Exclude<Interval, 'none'>, Sql>> = {
  hour: sql`toStartOfHour`,
  day: sql`toStartOfDay`,
  // Of ISO: it begins on a Monday.
  week: sql`toMonday`,
  month: sql`toStartOfMonth`,
};

export const isInterval = (name: string): name is Interval => name === 'none' || Object.hasOwn(functions, name);

/** As ISO 8601. */
export function startOf(interval: Exclude<Interval, 'none'>, time: Sql): Sql {
  return sql`formatDateTime(${functions[interval]}(${time}), '%Y-%m-%dT%H:%i:%S.000Z', 'UTC')`;
}
