// Pages of a session's history, in cursor order.
//
// 1. From any cursor every later event comes once, in order: by (epoch, sequence, fill), a batch stored twice collapsed.
//    Any page costs the same, however long the history is.
// 2. A page ends at its rows or bytes, with at least one event; `next` is what was looked at, also where a filter hid it.
// 3. `complete` only if nothing was stored beyond `next` when the page was read.
// 4. A fork's history is one list: what its ancestors have up to where it was forked, then its own. They lie in one stream.

import { type Cursor, compareCursors, toCursor } from '@worktrail/contract/cursor';
import type { EventType } from '@worktrail/contract/event-types';
import type { Event } from '@worktrail/proto/event';
import type { ClickHouseReader } from '../clickhouse/store.ts';
import { storedEvent } from '../ingest/event-row.ts';
import { type OutputPlace, readOutputBodies } from './output-bodies.ts';
import { readRowBinary } from '../clickhouse/row-bytes.ts';
import { type Sql, sql, sqlList } from '../clickhouse/sql-text.ts';

/** What a fork has of an ancestor. */
export interface InheritedEvents {
  sessionId: string;
  upTo: Cursor;
}

export interface HistoryQuestion {
  organizationId: string;
  sessionId: string;
  /** Of a fork. */
  inherited?: readonly InheritedEvents[];
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
  /** Of its events as they are stored. */
  bytes: number;
}

/** Of one session in the order of the table's key, so that ClickHouse reads a page's rows from wherever it begins. */
interface Segment {
  sessionId: string;
  /** Of an ancestor. */
  upTo?: Cursor;
}

interface Row extends OutputPlace {
  message: Uint8Array;
}

/** However much each row holds, a statement's answer has its bounds. */
const portionRowsMax = 250;

export async function readHistory(clickhouse: ClickHouseReader, question: HistoryQuestion): Promise<HistoryPage> {
  const page: Row[] = [];
  let bytes = 0;
  let complete = true;
  for await (const row of rowsAfter(clickhouse, question)) {
    const last = page.at(-1);
    // Stored twice, because the answer of an insert was lost.
    if (last && compareCursors(row.cursor, last.cursor) === 0) continue;
    complete = isOnPage(page.length, bytes, question);
    if (!complete) break;
    page.push(row);
    bytes += row.size + row.message.length;
  }
  const outputs = page.filter(({ size }) => size > 0);
  const bodyOf = await readOutputBodies(clickhouse, question.organizationId, outputs);
  const events = page.map((row) => ({ cursor: row.cursor, event: storedEvent(row.message, bodyOf(row)) }));
  return { events, complete, bytes, next: nextCursor(page.at(-1)?.cursor, complete, question) };
}

/** Within its rows and bytes, and at least one. */
export function isOnPage(
  rows: number,
  bytes: number,
  { rowsMax, bytesMax }: Pick<HistoryQuestion, 'rowsMax' | 'bytesMax'>,
): boolean {
  return rows < rowsMax && (rows === 0 || bytes < bytesMax);
}

/** What an ancestor has begins behind what the one before it has, and a fork's own events behind all of it. */
async function* rowsAfter(clickhouse: ClickHouseReader, question: HistoryQuestion): AsyncGenerator<Row, void, void> {
  const { inherited = [], sessionId } = question;
  /** With the first of the next page. */
  const limit = Math.min(question.rowsMax + 1, portionRowsMax);
  let { after } = question;
  for (const segment of [...inherited, { sessionId }]) {
    for (let isRead = isBeyond(segment, after); !isRead; ) {
      const rows = await readPortion(clickhouse, question, segment, after, limit);
      yield* rows;
      after = rows.at(-1)?.cursor ?? after;
      isRead = rows.length < limit;
    }
  }
}

function isBeyond({ upTo }: Segment, after: Cursor): boolean {
  return upTo !== undefined && compareCursors(after, upTo) >= 0;
}

async function readPortion(
  clickhouse: ClickHouseReader,
  { organizationId, types }: HistoryQuestion,
  { sessionId, upTo }: Segment,
  after: Cursor,
  limit: number,
): Promise<Row[]> {
  const ofTypes = types.length === 0 ? sql`` : sql` AND type IN (${sqlList(types)})`;
  const until = upTo ? sql` AND NOT ${behind(upTo)}` : sql``;
  const answer = await clickhouse.bytes(
    sql`SELECT epoch, sequence, fill, producer, position, toUInt64(size) AS bytes, message FROM events_v1
        WHERE organization_id = ${organizationId} AND session_id = ${sessionId}
          AND ${behind(after)}${until}${ofTypes}
        ORDER BY epoch, sequence, fill LIMIT ${limit} SETTINGS max_execution_time = 10`.text,
  );
  const row = readRowBinary(answer);
  const rows: Row[] = [];
  while (!row.isAtEnd()) {
    const cursor = toCursor(row.number(), row.number(), row.number());
    const commandId = row.bytes().toString();
    rows.push({ cursor, sessionId, commandId, position: row.number(), size: row.number(), message: row.bytes() });
  }
  return rows;
}

/** Each part of a cursor is compared on its own: by whole cursors ClickHouse does not know where in the key to begin. */
function behind({ epoch, sequence, fill = 0 }: Cursor): Sql {
  return sql`(epoch > ${epoch} OR (epoch = ${epoch} AND (sequence > ${sequence} OR (sequence = ${sequence} AND fill > ${fill}))))`;
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
