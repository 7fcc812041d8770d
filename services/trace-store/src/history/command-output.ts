// A command's output by offset: of one stream, or of both in the order it was written (`position`).
//
// 1. Whether the command has ended is asked before its bytes are: of an ended one all that is stored is in the answer.
// 2. Sizes are looked up first, from where the offset can be, then bytes are read: any part of a long output costs the same.

import { Stream } from '@worktrail/proto/event';
import { assembleOutput, chunksNeeded, type OutputChunk, type OutputGapRange } from './assemble-output.ts';
import type { ClickHouseReader } from '../clickhouse/store.ts';
import { storedEvent, storedMessage, streamName } from '../ingest/event-row.ts';
import { readRowBinary } from '../clickhouse/row-bytes.ts';
import { Sql, sql } from '../clickhouse/sql-text.ts';

export interface OutputQuestion {
  organizationId: string;
  sessionId: string;
  commandId: string;
  /** STREAM_UNSPECIFIED: both. */
  stream: Stream;
  offset: number;
  limit: number;
}

export interface OutputAnswer {
  bytes: Uint8Array;
  nextOffset: number;
  complete: boolean;
  gaps: { fromOffset: number; toOffset: number; reason: string }[];
}

/** Bounds one answer of many tiny chunks; the caller goes on at `nextOffset`. */
const chunksMax = 4_000;
const gapEventsMax = 1_000;
/** No message holds more. */
const chunkBytesMax = 8 * 1024 * 1024;

export async function readOutput(clickhouse: ClickHouseReader, question: OutputQuestion): Promise<OutputAnswer> {
  const told = await readEnd(clickhouse, question);
  const { chunks, exhausted } = await readChunks(clickhouse, question);
  const end = told === undefined ? undefined : Math.max(told, exhausted ? endOf(chunks) : 0);
  const part = assembleOutput(chunks, question.offset, question.limit, exhausted, end);
  const reasons = part.gaps.length > 0 ? await readGapReasons(clickhouse, question) : [];
  return {
    ...part,
    complete: end !== undefined && exhausted && part.nextOffset >= end,
    gaps: part.gaps.map((gap) => ({ ...gap, reason: gapReason(gap, question.stream, reasons) })),
  };
}

function endOf(chunks: readonly OutputChunk[]): number {
  return Math.max(0, ...chunks.map((chunk) => chunk.offset + chunk.bytes.length));
}

/** Where the output ends; undefined before the command's end is stored. */
async function readEnd(clickhouse: ClickHouseReader, question: OutputQuestion): Promise<number | undefined> {
  const answer = await clickhouse.bytes(
    sql`SELECT message FROM events_v1 WHERE ${ofProducer(question)} AND type = 'command.ended' LIMIT 1
        SETTINGS max_execution_time = 10`.text,
  );
  const row = readRowBinary(answer);
  return row.isAtEnd() ? undefined : endOffset(row.bytes(), question.stream);
}

function endOffset(endedMessage: Uint8Array, stream: Stream): number | undefined {
  const { payload } = storedEvent(endedMessage);
  if (payload.case !== 'commandEnded') return undefined;
  const { stdoutBytes, stderrBytes } = payload.value;
  if (stream === Stream.STDOUT) return Number(stdoutBytes);
  if (stream === Stream.STDERR) return Number(stderrBytes);
  return Number(stdoutBytes + stderrBytes);
}

async function readChunks(
  clickhouse: ClickHouseReader,
  question: OutputQuestion,
): Promise<{ chunks: OutputChunk[]; exhausted: boolean }> {
  const { at, chunks } = coordinate(question);
  // A chunk stands at least as far in its command as in its stream.
  const nearest = Math.max(0, question.offset - chunkBytesMax);
  const rows = await clickhouse.rows<{ position: number | string; at: number | string; size: number }>(
    sql`SELECT position, ${at} AS at, size FROM command_output_v1
        WHERE ${chunks} AND position >= ${nearest} AND ${at} + size > ${question.offset}
        ORDER BY position LIMIT ${chunksMax} SETTINGS max_execution_time = 10`.text,
  );
  const places = largest(
    rows.map((row) => ({ position: Number(row.position), offset: Number(row.at), size: row.size })),
  );
  const count = chunksNeeded(places, question.offset, question.limit);
  if (count === 0) return { chunks: [], exhausted: true };
  const needed = places.slice(0, count);
  const positions = needed.map(({ position }) => position);
  const answer = await clickhouse.bytes(
    sql`SELECT ${at} AS at, body FROM command_output_v1
        WHERE ${chunks} AND position BETWEEN ${Math.min(...positions)} AND ${Math.max(...positions)}
          AND ${at} BETWEEN ${needed[0]!.offset} AND ${needed.at(-1)!.offset}
        SETTINGS max_execution_time = 10`.text,
  );
  const row = readRowBinary(answer);
  const read: (OutputChunk & { size: number })[] = [];
  while (!row.isAtEnd()) {
    const [offset, bytes] = [row.number(), row.bytes()];
    read.push({ offset, bytes, size: bytes.length });
  }
  return { chunks: largest(read), exhausted: count === places.length && rows.length < chunksMax };
}

/** In ascending order, of each offset the longest: their borders differ from attempt to attempt. */
function largest<Chunk extends { offset: number; size: number }>(chunks: readonly Chunk[]): Chunk[] {
  const sorted = chunks.toSorted((a, b) => a.offset - b.offset || b.size - a.size);
  return sorted.filter((chunk, index) => chunk.offset !== sorted[index - 1]?.offset);
}

/** A chunk's place, and the condition on one command's chunks. */
function coordinate({ organizationId, sessionId, commandId, stream }: OutputQuestion): { at: Sql; chunks: Sql } {
  const ofCommand = sql`organization_id = ${organizationId} AND session_id = ${sessionId} AND command_id = ${commandId}`;
  if (stream === Stream.UNSPECIFIED) return { at: new Sql('position'), chunks: ofCommand };
  return { at: new Sql('`offset`'), chunks: sql`${ofCommand} AND stream = ${streamName(stream)}` };
}

function ofProducer({ organizationId, sessionId, commandId }: OutputQuestion): Sql {
  return sql`organization_id = ${organizationId} AND session_id = ${sessionId} AND producer = ${commandId}`;
}

interface GapReason {
  fromPosition: number;
  toPosition: number;
  reason: string;
}

async function readGapReasons(clickhouse: ClickHouseReader, question: OutputQuestion): Promise<GapReason[]> {
  const rows = await clickhouse.rows<{ message: string }>(
    sql`SELECT base64Encode(message) AS message FROM events_v1 WHERE ${ofProducer(question)} AND type = 'gap'
        ORDER BY epoch, sequence, fill LIMIT 1 BY epoch, sequence, fill LIMIT ${gapEventsMax}`.text,
  );
  return rows.flatMap(({ message }) => {
    const { payload } = storedMessage(message);
    if (payload.case !== 'gap') return [];
    const { fromPosition, toPosition, reason } = payload.value;
    return [{ fromPosition: Number(fromPosition), toPosition: Number(toPosition), reason }];
  });
}

/** Gap events speak in positions of the command; a stream's own offsets cannot be told apart by them. */
function gapReason(gap: OutputGapRange, stream: Stream, reasons: readonly GapReason[]): string {
  const overlapping = reasons.find(
    ({ fromPosition, toPosition }) => fromPosition < gap.toOffset && toPosition > gap.fromOffset,
  );
  const found = stream === Stream.UNSPECIFIED ? overlapping : (overlapping ?? reasons[0]);
  return found?.reason ?? 'not_kept';
}
