// Pages of a session's history, in cursor order.
//
// 1. From any cursor every later event comes once, in order: by (epoch, sequence, fill), a batch stored twice collapsed.
//    Any page costs the same, however long the history is and in however many parts it is stored.
// 2. A page ends at its rows or bytes, with at least one event; `next` is what was looked at, also where a filter hid it.
// 3. `complete` only if nothing was stored beyond `next` when the page was read.
// 4. A fork's history is one list: what its ancestors have up to where it was forked, then its own. They lie in one stream.

import { type Cursor, compareCursors, toCursor } from '@worktrail/contract/cursor';
import type { EventType } from '@worktrail/contract/event-types';
import type { ClickHouseReader } from '../clickhouse/store.ts';
import { type OutputPlace, readOutputBodies } from './output-bodies.ts';
import { readRowBinary } from '../clickhouse/row-bytes.ts';
import { type Sql, sql, sqlList } from '../clickhouse/sql-text.ts';
import type { Beginnings } from './beginnings.ts';

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

/** As it is stored: `storedEvent(message, body)` is the event. */
export interface HistoryEvent {
  cursor: Cursor;
  message: Uint8Array;
  /** Of an output, where it is still kept. */
  body?: Uint8Array;
}

export interface HistoryPage {
  events: HistoryEvent[];
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
/**
 * A page is looked for within so much of the stream first: ClickHouse would begin to read in every part of the table that may have a later
 * event of the session, which takes about a millisecond each. Where a session has less there, the rest is asked for too.
 */
const stretchMax = 50_000;

export async function readHistory(
  clickhouse: ClickHouseReader,
  question: HistoryQuestion,
  beginnings?: Beginnings,
): Promise<HistoryPage> {
  const page: Row[] = [];
  let bytes = 0;
  let complete = true;
  for await (const row of rowsAfter(clickhouse, question, beginnings)) {
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
  const events = page.map((row): HistoryEvent => {
    const { cursor, message } = row;
    const body = bodyOf(row);
    return { cursor, message, ...(body && { body }) };
  });
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
async function* rowsAfter(
  clickhouse: ClickHouseReader,
  question: HistoryQuestion,
  beginnings: Beginnings | undefined,
): AsyncGenerator<Row, void, void> {
  const { inherited = [], sessionId } = question;
  /** With the first of the next page. */
  const limit = Math.min(question.rowsMax + 1, portionRowsMax);
  let { after } = question;
  for (const segment of [...inherited, { sessionId }]) {
    const beginning = beginnings?.of(segment.sessionId);
    let end = stretchEnd(after, beginning, 'upTo' in segment ? segment.upTo : question.stored);
    for (let isRead = isBeyond(segment, after); !isRead; ) {
      const rows = await readPortion(clickhouse, question, { ...segment, ...(end && { upTo: end }) }, after, limit);
      const [first] = rows;
      if (after.sequence === 0 && first && !beginning) beginnings?.told(segment.sessionId, first.cursor);
      yield* rows;
      const isFull = rows.length === limit;
      isRead = !isFull && !end;
      after = (isFull ? undefined : end) ?? rows.at(-1)?.cursor ?? after;
      if (!isFull) end = undefined;
    }
  }
}

/** Where a first look ends; undefined where it has to be at everything: nobody knows where the session begins, or there is no more. */
export function stretchEnd(after: Cursor, beginning: Cursor | undefined, last: Cursor): Cursor | undefined {
  const begun = after.sequence > 0 ? after : undefined;
  const from = beginning && compareCursors(beginning, after) > 0 ? beginning : begun;
  const end = from && { epoch: from.epoch, sequence: from.sequence + stretchMax };
  return end && compareCursors(end, last) < 0 ? end : undefined;
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
  // Of its indexes but the key only that of types can help, and only where most rows are of others there is much to read. Filtering by the
  // first rows so far costs more than it saves.
  const reading = types.length === 0 ? sql`use_skip_indexes = 0, max_threads = 1` : sql`use_skip_indexes = 1`;
  const settings = sql`max_execution_time = 10, use_top_k_dynamic_filtering = 0, ${reading}`;
  const answer = await clickhouse.bytes(
    sql`SELECT epoch, sequence, fill, producer, position, toUInt64(size) AS bytes, message FROM events_v1
        PREWHERE organization_id = ${organizationId} AND session_id = ${sessionId} AND ${between(after, upTo)}${ofTypes}
        ORDER BY epoch, sequence, fill LIMIT ${limit} SETTINGS ${settings}`.text,
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

/** Behind the one, up to the other. */
function between(after: Cursor, upTo: Cursor | undefined): Sql {
  if (!upTo) return behind(after);
  if (upTo.epoch !== after.epoch || upTo.fill) return sql`${behind(after)} AND NOT ${behind(upTo)}`;
  // The same within one epoch: ClickHouse finds the place in its key at once.
  const { epoch, sequence, fill = 0 } = after;
  const last = upTo.sequence;
  return sql`epoch = ${epoch} AND sequence >= ${sequence} AND sequence <= ${last}
    AND (sequence > ${sequence} OR fill > ${fill}) AND (sequence < ${last} OR fill = 0)`;
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
