// Pages of a session's history, in cursor order.
//
// 1. From any cursor every later event comes once, in order: by (epoch, sequence, fill), a batch stored twice collapsed.
// 2. A page ends at its rows or bytes, with at least one event; `next` is what was looked at, also where a filter hid it.
// 3. `complete` only if nothing was stored beyond `next` when the page was read.

import { type Cursor, compareCursors, toCursor } from '@worktrail/contract/cursor';
import type { EventType } from '@worktrail/contract/event-types';
import type { Event } from '@worktrail/proto/event';
import type { ClickHouseReader } from './clickhouse.ts';
import { storedEvent } from './event-row.ts';
import { readRowBinary } from './row-bytes.ts';

export interface HistoryQuestion {
  organizationId: string;
  sessionId: string;
  after: Cursor;
  types: readonly EventType[];
  rowsMax: number;
  bytesMax: number;
  /** Stored before the question is asked: everything up to here is looked at. */
  stored: Cursor;
}

export interface HistoryPage {
  events: { cursor: Cursor; event: Event }[];
  next: Cursor;
  complete: boolean;
}

/** `running` counts the bytes of the rows before, `found` the rows within the page's row bound and one more. */
const pageSql = (typeFilter: string) => `
  SELECT epoch, sequence, fill, found, message, body
  FROM (
    SELECT epoch, sequence, fill, message, body, count() OVER () AS found,
      sum(size + length(message)) OVER (ORDER BY epoch, sequence, fill ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
        - size - length(message) AS running
    FROM (
      SELECT epoch, sequence, fill, size, message, body FROM events_v1
      WHERE organization_id = {organization:String} AND session_id = {session:String}
        AND (epoch, sequence, fill) > ({epoch:UInt64}, {sequence:UInt64}, {fill:UInt64}) ${typeFilter}
      ORDER BY epoch, sequence, fill
      LIMIT 1 BY epoch, sequence, fill
      LIMIT {rows:UInt32}
    )
  )
  WHERE running < {bytes:UInt64}
  ORDER BY epoch, sequence, fill
  LIMIT {page:UInt32}
  SETTINGS max_execution_time = 10`;

export async function readHistory(clickhouse: ClickHouseReader, question: HistoryQuestion): Promise<HistoryPage> {
  const { after, types, rowsMax, bytesMax } = question;
  const answer = await clickhouse.bytes(pageSql(types.length > 0 ? 'AND type IN {types:Array(String)}' : ''), {
    organization: question.organizationId,
    session: question.sessionId,
    epoch: after.epoch,
    sequence: after.sequence,
    fill: after.fill ?? 0,
    rows: rowsMax + 1,
    page: rowsMax,
    bytes: bytesMax,
    ...(types.length > 0 && { types }),
  });
  const row = readRowBinary(answer);
  const events: HistoryPage['events'] = [];
  let found = 0;
  while (!row.isAtEnd()) {
    const cursor = toCursor(row.number(), row.number(), row.number());
    found = row.number();
    events.push({ cursor, event: storedEvent(row.bytes(), row.bytes()) });
  }
  const complete = events.length === found;
  return { events, complete, next: nextCursor(events.at(-1)?.cursor, complete, question) };
}

/** Where to go on: after a cut page its last event; after a complete one as far as everything is known to be stored. */
export function nextCursor(
  last: Cursor | undefined,
  complete: boolean,
  question: Pick<HistoryQuestion, 'after' | 'stored'>,
): Cursor {
  if (last && !complete) return last;
  return [last ?? question.after, question.stored].reduce((a, b) => (compareCursors(a, b) >= 0 ? a : b));
}
