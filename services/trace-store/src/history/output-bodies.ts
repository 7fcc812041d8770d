// The bytes of outputs whose events were read, by where the events are.

import type { Cursor } from '@worktrail/contract/cursor';
import type { ClickHouseReader } from '../clickhouse/store.ts';
import { readRowBinary } from '../clickhouse/row-bytes.ts';
import { sql, sqlList } from '../clickhouse/sql-text.ts';

export interface OutputPlace {
  cursor: Cursor;
  sessionId: string;
  commandId: string;
  position: number;
  size: number;
}

const wideBytes = 8 * 1024 ** 2;

/** One is missing where output is not kept any more. */
export type OutputBodies = (place: Pick<OutputPlace, 'cursor' | 'position' | 'size'>) => Uint8Array | undefined;

export async function readOutputBodies(
  clickhouse: ClickHouseReader,
  organizationId: string,
  places: readonly OutputPlace[],
): Promise<OutputBodies> {
  const bodies = new Map<string, Uint8Array>();
  if (places.length === 0) return () => undefined;
  const sequences = rangeOf(places.map(({ cursor }) => cursor.sequence));
  const positions = rangeOf(places.map(({ position }) => position));
  const commandIds = [...new Set(places.map(({ commandId }) => commandId))];
  const sessionIds = [...new Set(places.map(({ sessionId }) => sessionId))];
  // The key tells where these are. The index of sequences helps where some stand far into a long output, and is not read for nothing.
  const isWide = commandIds.length * (positions.last - positions.first) > wideBytes;
  const answer = await clickhouse.bytes(
    sql`SELECT epoch, sequence, fill, position, toUInt64(size) AS bytes, body FROM command_output_v1
        PREWHERE organization_id = ${organizationId} AND session_id IN (${sqlList(sessionIds)}) AND command_id IN (${sqlList(commandIds)})
          AND position BETWEEN ${positions.first} AND ${positions.last}
          AND sequence BETWEEN ${sequences.first} AND ${sequences.last}
        SETTINGS max_execution_time = 10, max_threads = 1, use_skip_indexes = ${isWide ? 1 : 0}`.text,
  );
  const row = readRowBinary(answer);
  while (!row.isAtEnd()) {
    const cursor = { epoch: row.number(), sequence: row.number(), fill: row.number() };
    bodies.set(keyOf({ cursor, position: row.number(), size: row.number() }), row.bytes());
  }
  return (place) => bodies.get(keyOf(place));
}

function rangeOf(values: readonly number[]): { first: number; last: number } {
  return { first: Math.min(...values), last: Math.max(...values) };
}

function keyOf({ cursor, position, size }: Pick<OutputPlace, 'cursor' | 'position' | 'size'>): string {
  return `${cursor.epoch}.${cursor.sequence}.${cursor.fill ?? 0}.${position}.${size}`;
}
