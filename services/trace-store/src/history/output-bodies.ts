// The bytes of outputs whose events were read, by where the events are.

import type { Cursor } from '@worktrail/contract/cursor';
import type { ClickHouseReader } from '../clickhouse/store.ts';
import { readRowBinary } from '../clickhouse/row-bytes.ts';
import { Sql, sql } from '../clickhouse/sql-text.ts';

export interface OutputPlace {
  cursor: Cursor;
  sessionId: string;
  commandId: string;
  position: number;
  size: number;
}

/** One is missing where output is not kept any more. */
export type OutputBodies = (place: Pick<OutputPlace, 'cursor' | 'position' | 'size'>) => Uint8Array | undefined;

export async function readOutputBodies(
  clickhouse: ClickHouseReader,
  organizationId: string,
  places: readonly OutputPlace[],
): Promise<OutputBodies> {
  const bodies = new Map<string, Uint8Array>();
  const runs = runsOf(places);
  if (runs.length === 0) return () => undefined;
  const sequences = places.map(({ cursor }) => cursor.sequence);
  const answer = await clickhouse.bytes(
    sql`SELECT epoch, sequence, fill, position, toUInt64(size) AS bytes, body FROM command_output_v1
        WHERE organization_id = ${organizationId} AND (${anyOf(runs)})
          AND sequence BETWEEN ${Math.min(...sequences)} AND ${Math.max(...sequences)}
        SETTINGS max_execution_time = 10`.text,
  );
  const row = readRowBinary(answer);
  while (!row.isAtEnd()) {
    const cursor = { epoch: row.number(), sequence: row.number(), fill: row.number() };
    bodies.set(keyOf({ cursor, position: row.number(), size: row.number() }), row.bytes());
  }
  return (place) => bodies.get(keyOf(place));
}

interface Run {
  sessionId: string;
  commandId: string;
  first: number;
  last: number;
}

/** Of each command from its first place to its last. */
function runsOf(places: readonly OutputPlace[]): Run[] {
  const runs = new Map<string, Run>();
  for (const { sessionId, commandId, position } of places) {
    const key = `${sessionId}.${commandId}`;
    const run = runs.get(key);
    const [first, last] = [Math.min(run?.first ?? position, position), Math.max(run?.last ?? position, position)];
    runs.set(key, { sessionId, commandId, first, last });
  }
  return [...runs.values()];
}

function anyOf(runs: readonly Run[]): Sql {
  const conditions = runs.map(
    ({ sessionId, commandId, first, last }) =>
      sql`session_id = ${sessionId} AND command_id = ${commandId} AND position >= ${first} AND position <= ${last}`
        .text,
  );
  return new Sql(conditions.map((condition) => `(${condition})`).join(' OR '));
}

function keyOf({ cursor, position, size }: Pick<OutputPlace, 'cursor' | 'position' | 'size'>): string {
  return `${cursor.epoch}.${cursor.sequence}.${cursor.fill ?? 0}.${position}.${size}`;
}
