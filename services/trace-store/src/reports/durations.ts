// How long something took, of many: from columns `begun` and `ended`, as seconds.

import { sql } from '../clickhouse/sql-text.ts';

/** Two clocks may differ: what ended before it began took no time. */
const ms = sql`greatest(0, dateDiff('millisecond', begun, ended))`;

export const durations = sql`quantileExact(0.5)(${ms}) / 1000 AS medianSeconds, quantileExact(0.95)(${ms}) / 1000 AS p95Seconds,
  max(${ms}) / 1000 AS maxSeconds`;
