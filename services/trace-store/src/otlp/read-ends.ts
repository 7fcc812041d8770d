// What has ended in a partition after a position, and what each of it began with.
//
// Parts that were written before a time are not looked at: what a partition stores, it stores in the order of the clock.

import { type Cursor, toCursor } from '@worktrail/contract/cursor';
import type { Event } from '@worktrail/proto/event';
import type { ClickHouseReader } from '../clickhouse/store.ts';
import { storedMessage } from '../ingest/event-row.ts';
import { quoteString, Sql, sql } from '../clickhouse/sql-text.ts';
import { type Beginning, endTypes, type Wanted, wantedOf } from './spans.ts';

const contextRowsMax = 50_000;

export interface OtlpPosition {
  cursor: Cursor;
  /** Of an event at or before the cursor, ms since 1970: none that follows was stored before it. */
  ingestedMs: number;
}

export interface Ended {
  event: Event;
  beginning: Beginning | undefined;
}

export interface EndsPage {
  ended: Ended[];
  /** Where to go on. */
  next: OtlpPosition;
  /** There are more. */
  more: boolean;
}

interface EndRow {
  epoch: string;
  sequence: string;
  fill: string;
  ms: string;
  message: string;
}

/** @param upTo all of the partition up to here is stored. */
export async function readEnds(
  clickhouse: Pick<ClickHouseReader, 'rows'>,
  partition: number,
  { cursor, ingestedMs }: OtlpPosition,
  upTo: Cursor,
  rowsMax: number,
  content: boolean,
): Promise<EndsPage> {
  const since = new Date(ingestedMs);
  const rows = await clickhouse.rows<EndRow>(
    sql`
    SELECT epoch, sequence, fill, toUnixTimestamp64Milli(toDateTime64(ingested_at, 3)) AS ms, base64Encode(message) AS message FROM events_v1
    WHERE partition = ${partition} AND ingested_at >= ${since} AND type IN (${list(endTypes)})
      AND (epoch, sequence, fill) > (${cursor.epoch}, ${cursor.sequence}, ${cursor.fill ?? 0})
      AND (epoch, sequence, fill) <= (${upTo.epoch}, ${upTo.sequence}, ${upTo.fill ?? 0})
    ORDER BY epoch, sequence, fill LIMIT 1 BY epoch, sequence, fill LIMIT ${rowsMax} SETTINGS max_execution_time = 30`
      .text,
  );
  const events = rows.map((row) => storedMessage(row.message));
  const places = rows.map((row) => toCursor(Number(row.epoch), Number(row.sequence), Number(row.fill)));
  const beginnings = await readBeginnings(clickhouse, events, places, content);
  const last = rows.at(-1);
  const more = rows.length === rowsMax;
  return {
    ended: events.map((event, index) => ({ event, beginning: beginnings[index] })),
    next: {
      cursor: more ? places.at(-1)! : upTo,
      ingestedMs: last ? Math.max(ingestedMs, Number(last.ms)) : ingestedMs,
    },
    more,
  };
}

interface ContextRow {
  session: string;
  turn: string;
  type: string;
  epoch: string;
  sequence: string;
  fill: string;
  ms: string;
  call: string;
  tool: string;
  agent: string;
  input: string;
}

async function readBeginnings(
  clickhouse: Pick<ClickHouseReader, 'rows'>,
  events: readonly Event[],
  places: readonly Cursor[],
  content: boolean,
): Promise<(Beginning | undefined)[]> {
  const wanted = events.map(wantedOf);
  const asking = events.filter((_, index) => wanted[index]);
  if (asking.length === 0) return [];
  const organizations = [...new Set(asking.map(({ organizationId }) => organizationId))];
  const sessions = [...new Set(asking.map(({ sessionId }) => sessionId))];
  const turns = [...new Set(asking.map(({ turnId }) => turnId).filter(Boolean))];
  const ofTurns = ['turn.started', 'tool.started', 'tool.ended', 'message.agent'];
  const rows = await clickhouse.rows<ContextRow>(
    sql`
    SELECT session_id AS session, turn_id AS turn, type, epoch, sequence, fill, toUnixTimestamp64Milli(toDateTime64(time, 3)) AS ms,
      JSONExtractString(data, 'toolCallId') AS call, tool, JSONExtractString(data, 'agent') AS agent,
      if(${content ? 1 : 0} AND type = 'tool.started', JSONExtractString(data, 'inputJson'), '') AS input
    FROM events_v1
    WHERE organization_id IN (${list(organizations)}) AND session_id IN (${list(sessions)})
      AND (type = 'session.created' OR (type IN (${list(ofTurns)}) AND turn_id IN (${list(['-', ...turns])})))
    ORDER BY epoch, sequence, fill LIMIT ${contextRowsMax} SETTINGS max_execution_time = 30`.text,
  );
  const bySession = Map.groupBy(rows, ({ session }) => session);
  return events.map((event, index) => {
    const want = wanted[index];
    return want && beginningOf(bySession.get(event.sessionId) ?? [], want, places[index]!);
  });
}

function beginningOf(rows: readonly ContextRow[], wanted: Wanted, place: Cursor): Beginning | undefined {
  const found = rows.findLast((row) => {
    switch (wanted.what) {
      case 'session':
        return row.type === 'session.created';
      case 'turn':
        return row.type === 'turn.started' && row.turn === wanted.turnId;
      case 'tool':
        return row.type === 'tool.started' && row.turn === wanted.turnId && row.call === wanted.toolCallId;
      case 'step':
        return row.type !== 'tool.started' && row.turn === wanted.turnId && isBefore(row, place);
    }
  });
  if (!found) return undefined;
  const name = wanted.what === 'tool' ? found.tool : found.agent;
  return { startedAt: new Date(Number(found.ms)), name, input: found.input };
}

function isBefore(row: ContextRow, { epoch, sequence, fill = 0 }: Cursor): boolean {
  const difference = Number(row.epoch) - epoch || Number(row.sequence) - sequence || Number(row.fill) - fill;
  return difference < 0;
}

function list(values: readonly string[]): Sql {
  return new Sql(values.map(quoteString).join(', '));
}
