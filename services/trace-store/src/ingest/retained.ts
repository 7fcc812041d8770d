// What is known of sessions whose events are not kept any more.

import type { Cursor } from '@worktrail/contract/cursor';
import { compareCursors, toCursor } from '@worktrail/contract/cursor';
import type { ClickHouseReader } from '../clickhouse/store.ts';
import { readRowBinary } from '../clickhouse/row-bytes.ts';
import { type Sql, sql } from '../clickhouse/sql-text.ts';

/** Behind which cursor the history of these sessions begins; undefined: nothing of them has gone. */
export async function oldestKept(
  clickhouse: ClickHouseReader,
  organizationId: string,
  sessionIds: readonly string[],
): Promise<Cursor | undefined> {
  const { text } = sql`SELECT epoch, sequence, fill FROM retained_marks_v1
    WHERE organization_id = ${organizationId} AND session_id IN (${listOf(sessionIds)})
    ORDER BY epoch DESC, sequence DESC, fill DESC LIMIT 1`;
  const row = readRowBinary(await clickhouse.bytes(text));
  return row.isAtEnd() ? undefined : toCursor(row.number(), row.number(), row.number());
}

/** The number that a producer had when its events went. It has ended: its session was archived. */
export async function retainedMark(
  clickhouse: ClickHouseReader,
  { organizationId, sessionId, producer }: { organizationId: string; sessionId: string; producer: string },
): Promise<{ number: number; cursor: Cursor } | undefined> {
  const { text } = sql`SELECT number, epoch, sequence, fill FROM retained_marks_v1
    WHERE organization_id = ${organizationId} AND session_id = ${sessionId} AND producer = ${producer}
    ORDER BY number DESC LIMIT 1`;
  const row = readRowBinary(await clickhouse.bytes(text));
  if (row.isAtEnd()) return undefined;
  return { number: row.number(), cursor: toCursor(row.number(), row.number(), row.number()) };
}

/** True where what is asked for behind the cursor is not kept any more. */
export function isExpired(after: Cursor, oldest: Cursor | undefined): oldest is Cursor {
  return oldest !== undefined && compareCursors(after, oldest) < 0;
}

export function listOf(values: readonly string[]): Sql {
  const [first = '', ...rest] = values;
  return rest.reduce((list, value) => sql`${list}, ${value}`, sql`${first}`);
}
