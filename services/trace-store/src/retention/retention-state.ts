// When each kind was looked through last, what went then, and the oldest that there is.

import { type RetentionKind, retentionKinds } from '@worktrail/contract/retention';
import type { ClickHouseReader } from '../clickhouse/store.ts';
import { readRowBinary } from '../clickhouse/row-bytes.ts';
import { sql } from '../clickhouse/sql-text.ts';

export interface RetentionState {
  kind: RetentionKind;
  /** Undefined before the first run. */
  lastRunMs: number | undefined;
  cutoffMs: number | undefined;
  /** Rows, in that run. */
  removed: number;
  /** Undefined where there is nothing. */
  oldestMs: number | undefined;
}

const tables: Record<RetentionKind, string> = { events: 'events_v1', output: 'command_output_v1', audit: 'audit_v1' };
const ms = (time: string) => `toUInt64(toUnixTimestamp64Milli(${time}))`;

export async function readRetention(clickhouse: ClickHouseReader, organizationId: string): Promise<RetentionState[]> {
  const last = sql`FROM retention_runs_v1 FINAL WHERE organization_id = ${organizationId}`.text;
  const runs = readRowBinary(
    await clickhouse.bytes(`SELECT toString(kind), ${ms('time')}, ${ms('cutoff')}, removed ${last}`),
  );
  const found = new Map<string, { lastRunMs: number; cutoffMs: number; removed: number }>();
  while (!runs.isAtEnd()) {
    found.set(runs.bytes().toString(), { lastRunMs: runs.number(), cutoffMs: runs.number(), removed: runs.number() });
  }
  const states: RetentionState[] = [];
  for (const kind of retentionKinds) {
    const run = found.get(kind);
    const of = sql`WHERE organization_id = ${organizationId}`.text;
    const answer = readRowBinary(
      await clickhouse.bytes(`SELECT ${ms('min(ingested_at)')}, toUInt64(count()) FROM ${tables[kind]} ${of}`),
    );
    const [oldest, rows] = [answer.number(), answer.number()];
    states.push({
      ...{ kind, lastRunMs: run?.lastRunMs, cutoffMs: run?.cutoffMs, removed: run?.removed ?? 0 },
      oldestMs: rows === 0 ? undefined : oldest,
    });
  }
  return states;
}
