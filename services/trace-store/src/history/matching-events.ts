// Which events of an organization were stored after a position, by type.
//
// 1. Asked again with `next`, every event that is stored later comes once, in cursor order within its partition: all up to `next` was looked at.
// 2. What nothing was stored after is not asked of ClickHouse.

import { type Cursor, compareCursors, toCursor } from '@worktrail/contract/cursor';
import type { EventType } from '@worktrail/contract/event-types';
import type { ClickHouseReader } from '../clickhouse/store.ts';
import { readRowBinary } from '../clickhouse/row-bytes.ts';
import { type Sql, sql } from '../clickhouse/sql-text.ts';

export interface PartitionPosition {
  partition: number;
  stored: Cursor;
  /** By the storing clock, ms since 1970. */
  timeMs: number;
}

export interface MatchQuestion {
  organizationId: string;
  /** '': of all. */
  projectId: string;
  types: readonly EventType[];
  after: readonly PartitionPosition[];
  /** What is stored now. */
  stored: readonly PartitionPosition[];
  rowsMax: number;
}

export interface MatchedEvent {
  partition: number;
  sessionId: string;
  cursor: Cursor;
  eventId: string;
  type: string;
}

/** Clocks of storing processes differ by less. Parts that were written before are not read. */
const clockMarginMs = 3_600_000;

export async function matchEvents(
  clickhouse: ClickHouseReader,
  question: MatchQuestion,
): Promise<{ events: MatchedEvent[]; next: PartitionPosition[] }> {
  const events: MatchedEvent[] = [];
  const next: PartitionPosition[] = [];
  for (const stored of question.stored) {
    const after = question.after.find(({ partition }) => partition === stored.partition);
    const room = question.rowsMax - events.length;
    if (!after || compareCursors(after.stored, stored.stored) >= 0 || room === 0) {
      next.push(after ?? stored);
      continue;
    }
    const found = await readMatches(clickhouse, question, after, stored, room + 1);
    const page = found.slice(0, room);
    events.push(...page);
    const last = page.at(-1)?.cursor;
    // Where some are left, the time stays too: they may have been stored long before.
    if (found.length > room && last) next.push({ ...after, stored: last });
    else next.push({ ...stored, stored: last && compareCursors(last, stored.stored) > 0 ? last : stored.stored });
  }
  return { events, next };
}

async function readMatches(
  clickhouse: ClickHouseReader,
  { organizationId, projectId, types }: MatchQuestion,
  after: PartitionPosition,
  { stored }: PartitionPosition,
  rowsMax: number,
): Promise<MatchedEvent[]> {
  const { partition } = after;
  const ofProject = projectId === '' ? sql`` : sql` AND project_id = ${projectId}`;
  const since = new Date(Math.max(0, after.timeMs - clockMarginMs));
  const { text } = sql`
    SELECT epoch, sequence, fill, session_id, event_id, type FROM events_v1
    WHERE organization_id = ${organizationId} AND type IN (${literals(types)})${ofProject} AND partition = ${partition}
      AND ingested_at >= ${since} AND epoch >= ${after.stored.epoch}
      AND (epoch, sequence, fill) > ${triple(after.stored)} AND (epoch, sequence) <= (${stored.epoch}, ${stored.sequence})
    ORDER BY epoch, sequence, fill LIMIT 1 BY epoch, sequence, fill LIMIT ${rowsMax} SETTINGS max_execution_time = 10`;
  const row = readRowBinary(await clickhouse.bytes(text));
  const events: MatchedEvent[] = [];
  while (!row.isAtEnd()) {
    const cursor = toCursor(row.number(), row.number(), row.number());
    const [sessionId, eventId, type] = [row.bytes(), row.bytes(), row.bytes()].map(String) as [string, string, string];
    events.push({ partition, cursor, sessionId, eventId, type });
  }
  return events;
}

function triple({ epoch, sequence, fill = 0 }: Cursor): Sql {
  return sql`(${epoch}, ${sequence}, ${fill})`;
}

function literals(values: readonly string[]): Sql {
  return values.reduce((list: Sql | undefined, value) => (list ? sql`${list}, ${value}` : sql`${value}`), undefined)!;
}
