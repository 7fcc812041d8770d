// A command's output by offset: of one stream, or of both in the order it was written (`position`).
//
// One statement tells a short output and its end as of one moment; what is longer is looked up first and then read, so that a long
// output is not read for its beginning.

import { Stream } from '@worktrail/proto/event';
import { assembleOutput, chunksNeeded, type OutputChunk, type OutputGapRange } from './assemble-output.ts';
import type { ClickHouseReader } from './clickhouse/store.ts';
import { storedEvent, storedMessage, streamName } from './event-row.ts';
import { readRowBinary } from './row-bytes.ts';

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

const shortChunksMax = 32;
/** Bounds one answer of many tiny chunks; the caller goes on at `nextOffset`. */
const chunksMax = 4_000;
const gapEventsMax = 1_000;

export async function readOutput(clickhouse: ClickHouseReader, question: OutputQuestion): Promise<OutputAnswer> {
  const beginning = await readBeginning(clickhouse, question);
  const isShort = beginning.chunks.length < shortChunksMax;
  const { chunks, exhausted } = isShort
    ? { chunks: beginning.chunks, exhausted: true }
    : await readChunks(clickhouse, question);
  const end = beginning.end === undefined ? undefined : Math.max(beginning.end, exhausted ? endOf(chunks) : 0);
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

interface Coordinate {
  /** SQL of a chunk's place. */
  at: string;
  /** SQL condition on one command's chunks. */
  chunks: string;
  parameters: Record<string, unknown>;
}

function coordinate(question: OutputQuestion): Coordinate {
  const both = question.stream === Stream.UNSPECIFIED;
  return {
    at: both ? 'position' : '`offset`',
    chunks: `type = 'command.output' AND size > 0${both ? '' : ' AND stream = {stream:String}'}`,
    parameters: {
      organization: question.organizationId,
      session: question.sessionId,
      command: question.commandId,
      ...(!both && { stream: streamName(question.stream) }),
    },
  };
}

const ofCommand =
  'organization_id = {organization:String} AND session_id = {session:String} AND producer = {command:String}';

/** The first chunks from the offset on, and where the output ends if the command has ended. */
async function readBeginning(
  clickhouse: ClickHouseReader,
  question: OutputQuestion,
): Promise<{ chunks: OutputChunk[]; end: number | undefined }> {
  const { at, chunks, parameters } = coordinate(question);
  const answer = await clickhouse.bytes(
    `SELECT toUInt64(type = 'command.ended') AS is_end, ${at} AS at, body, if(type = 'command.ended', message, '') AS message
     FROM events_v1
     WHERE ${ofCommand} AND (type = 'command.ended' OR (${chunks} AND ${at} + size > {from:UInt64}))
     ORDER BY type = 'command.output', at, size DESC LIMIT 1 BY type, at LIMIT ${shortChunksMax + 1}
     SETTINGS max_execution_time = 10`,
    { ...parameters, from: question.offset },
  );
  const row = readRowBinary(answer);
  const found: OutputChunk[] = [];
  let end: number | undefined;
  while (!row.isAtEnd()) {
    const isEnd = row.number() === 1;
    const chunk = { offset: row.number(), bytes: row.bytes() };
    const message = row.bytes();
    if (isEnd) end = endOffset(message, question.stream);
    else if (found.length < shortChunksMax) found.push(chunk);
  }
  return { chunks: found, end };
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
  const { at, chunks, parameters } = coordinate(question);
  const places = await clickhouse.rows<{ at: number | string; size: number | string }>(
    `SELECT ${at} AS at, size FROM events_v1 WHERE ${ofCommand} AND ${chunks} AND ${at} + size > {from:UInt64}
     ORDER BY at, size DESC LIMIT 1 BY at LIMIT ${chunksMax} SETTINGS max_execution_time = 10`,
    { ...parameters, from: question.offset },
  );
  const ranges = places.map((place) => ({ offset: Number(place.at), size: Number(place.size) }));
  const count = chunksNeeded(ranges, question.offset, question.limit);
  if (count === 0) return { chunks: [], exhausted: true };
  const answer = await clickhouse.bytes(
    `SELECT ${at} AS at, body FROM events_v1
     WHERE ${ofCommand} AND ${chunks} AND ${at} BETWEEN {first:UInt64} AND {last:UInt64}
     ORDER BY at, size DESC LIMIT 1 BY at SETTINGS max_execution_time = 10`,
    { ...parameters, first: ranges[0]!.offset, last: ranges[count - 1]!.offset },
  );
  const row = readRowBinary(answer);
  const read: OutputChunk[] = [];
  while (!row.isAtEnd()) read.push({ offset: row.number(), bytes: row.bytes() });
  return { chunks: read, exhausted: count === ranges.length && ranges.length < chunksMax };
}

interface GapReason {
  fromPosition: number;
  toPosition: number;
  reason: string;
}

async function readGapReasons(clickhouse: ClickHouseReader, question: OutputQuestion): Promise<GapReason[]> {
  const rows = await clickhouse.rows<{ message: string }>(
    `SELECT base64Encode(message) AS message FROM events_v1 WHERE ${ofCommand} AND type = 'gap'
     ORDER BY epoch, sequence, fill LIMIT 1 BY epoch, sequence, fill LIMIT ${gapEventsMax}`,
    { organization: question.organizationId, session: question.sessionId, command: question.commandId },
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
