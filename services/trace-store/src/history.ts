// Pages of a session's history, in cursor order.
//
// 1. From any cursor every later event comes once, in order: by (epoch, sequence, fill), a batch stored twice collapsed.
// 2. A page ends at its rows or bytes, with at least one event; `next` is what was looked at, also where a filter hid it.
// 3. `complete` only if nothing was stored beyond `next` when the page was read.
// 4. A fork's history is one list: what its ancestors have up to where it was forked, then its own. They lie in one stream.

import { type Cursor, compareCursors, toCursor } from '@worktrail/contract/cursor';
import type { EventType } from '@worktrail/contract/event-types';
import type { Event } from '@worktrail/proto/event';
import type { ClickHouseReader } from './clickhouse/store.ts';
import { storedEvent } from './event-row.ts';
import { type OutputPlace, readOutputBodies } from './output-bodies.ts';
import { readRowBinary } from './row-bytes.ts';

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

const later = '(epoch, sequence, fill) > ({epoch:UInt64}, {sequence:UInt64}, {fill:UInt64})';
const order = 'ORDER BY epoch, sequence, fill LIMIT 1 BY epoch, sequence, fill';

interface Place {
  cursor: Cursor;
  bytes: number;
}

/** Places first, so that no more is read than is given; bytes of output last. */
export async function readHistory(clickhouse: ClickHouseReader, question: HistoryQuestion): Promise<HistoryPage> {
  const places = await readPlaces(clickhouse, question);
  const count = placesOnPage(places, question.rowsMax, question.bytesMax);
  const complete = count === places.length;
  const bytes = places.slice(0, count).reduce((sum, place) => sum + place.bytes, 0);
  const last = places[count - 1]?.cursor;
  const events = last ? await readUpTo(clickhouse, question, last) : [];
  return { events, complete, bytes, next: nextCursor(last, complete, question) };
}

/** Of the events after the question's cursor: as many as the page may hold, and one more. */
async function readPlaces(clickhouse: ClickHouseReader, question: HistoryQuestion): Promise<Place[]> {
  const answer = await clickhouse.bytes(
    `SELECT epoch, sequence, fill, toUInt64(size + length(message)) AS bytes FROM events_v1
     WHERE ${ofHistory(question)} ${typeFilter(question)} ${order} LIMIT {rows:UInt32} SETTINGS max_execution_time = 10`,
    { ...parametersOf(question), rows: question.rowsMax + 1 },
  );
  const row = readRowBinary(answer);
  const places: Place[] = [];
  while (!row.isAtEnd()) {
    places.push({ cursor: toCursor(row.number(), row.number(), row.number()), bytes: row.number() });
  }
  return places;
}

async function readUpTo(
  clickhouse: ClickHouseReader,
  question: HistoryQuestion,
  last: Cursor,
): Promise<HistoryPage['events']> {
  const answer = await clickhouse.bytes(
    `SELECT epoch, sequence, fill, session_id, producer, position, toUInt64(size) AS bytes, message FROM events_v1
     WHERE ${ofHistory(question)} AND (epoch, sequence, fill) <= ({lastEpoch:UInt64}, {lastSequence:UInt64}, {lastFill:UInt64})
       ${typeFilter(question)} ${order} SETTINGS max_execution_time = 10`,
    { ...parametersOf(question), lastEpoch: last.epoch, lastSequence: last.sequence, lastFill: last.fill ?? 0 },
  );
  const row = readRowBinary(answer);
  const found: (OutputPlace & { message: Uint8Array })[] = [];
  while (!row.isAtEnd()) {
    const cursor = toCursor(row.number(), row.number(), row.number());
    const [sessionId, commandId] = [row.bytes().toString(), row.bytes().toString()];
    found.push({ cursor, sessionId, commandId, position: row.number(), size: row.number(), message: row.bytes() });
  }
  const outputs = found.filter(({ size }) => size > 0);
  const bodyOf = await readOutputBodies(clickhouse, question.organizationId, outputs);
  return found.map((place) => ({ cursor: place.cursor, event: storedEvent(place.message, bodyOf(place)) }));
}

/** Nothing of what lies behind the cursor is looked at. */
function inheritedBeyond({ inherited = [], after }: HistoryQuestion): readonly InheritedEvents[] {
  return inherited.filter(({ upTo }) => compareCursors(upTo, after) > 0);
}

function ofHistory(question: HistoryQuestion): string {
  const sessions = [
    'session_id = {session:String}',
    ...inheritedBeyond(question).map(
      (_, index) =>
        `(session_id = {inherited${index}:String} AND (epoch, sequence, fill) <=
          ({inheritedEpoch${index}:UInt64}, {inheritedSequence${index}:UInt64}, {inheritedFill${index}:UInt64}))`,
    ),
  ];
  return `organization_id = {organization:String} AND (${sessions.join(' OR ')}) AND ${later}`;
}

function typeFilter({ types }: HistoryQuestion): string {
  return types.length > 0 ? 'AND type IN {types:Array(String)}' : '';
}

function parametersOf(question: HistoryQuestion): Record<string, unknown> {
  const { organizationId, sessionId, after, types } = question;
  const inherited = inheritedBeyond(question).flatMap(({ sessionId: ancestor, upTo }, index) => [
    [`inherited${index}`, ancestor],
    [`inheritedEpoch${index}`, upTo.epoch],
    [`inheritedSequence${index}`, upTo.sequence],
    [`inheritedFill${index}`, upTo.fill ?? 0],
  ]);
  return {
    ...Object.fromEntries(inherited),
    organization: organizationId,
    session: sessionId,
    epoch: after.epoch,
    sequence: after.sequence,
    fill: after.fill ?? 0,
    ...(types.length > 0 && { types }),
  };
}

/** How many of them a page holds: within its rows and bytes, and at least one. */
export function placesOnPage(places: readonly { bytes: number }[], rowsMax: number, bytesMax: number): number {
  let bytes = 0;
  for (let count = 0; count < places.length; count++) {
    if (count >= rowsMax || (count > 0 && bytes >= bytesMax)) return count;
    bytes += places[count]!.bytes;
  }
  return places.length;
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
