// A command's output by offset: of one stream, or of both in the order it was written (`position`).

import { Stream } from '@worktrail/proto/event';
import { assembleOutput, chunksNeeded, type OutputChunk, type OutputGapRange } from './assemble-output.ts';
import type { ClickHouseReader } from './clickhouse.ts';
import { readCommands, type StoredCommand } from './commands.ts';
import { storedEvent, streamName } from './event-row.ts';

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

export async function readOutput(clickhouse: ClickHouseReader, question: OutputQuestion): Promise<OutputAnswer> {
  const [command] = await readCommands(clickhouse, question.organizationId, question.sessionId, [question.commandId]);
  const end = command && endOffset(command, question.stream);
  if (question.limit === 0) return { bytes: new Uint8Array(0), nextOffset: question.offset, complete: false, gaps: [] };
  const { chunks, exhausted } = await readChunks(clickhouse, question);
  const part = assembleOutput(chunks, question.offset, question.limit, exhausted, end);
  const reasons = part.gaps.length > 0 ? await readGapReasons(clickhouse, question) : [];
  return {
    ...part,
    complete: end !== undefined && part.nextOffset >= end,
    gaps: part.gaps.map((gap) => ({ ...gap, reason: gapReason(gap, question.stream, reasons) })),
  };
}

/** Where the output of an ended command ends; undefined while it runs. */
function endOffset(command: StoredCommand, stream: Stream): number | undefined {
  if (!command.ended) return undefined;
  if (stream === Stream.STDOUT) return command.stdoutBytes;
  if (stream === Stream.STDERR) return command.stderrBytes;
  return command.stdoutBytes + command.stderrBytes;
}

/** First where the chunks are, then the bytes of those that fill the limit: a long output is not read for its beginning. */
async function readChunks(
  clickhouse: ClickHouseReader,
  question: OutputQuestion,
): Promise<{ chunks: OutputChunk[]; exhausted: boolean }> {
  const both = question.stream === Stream.UNSPECIFIED;
  const at = both ? 'position' : '`offset`';
  const where = `organization_id = {organization:String} AND session_id = {session:String} AND producer = {command:String}
    AND type = 'command.output' AND size > 0 ${both ? '' : 'AND stream = {stream:String}'}`;
  const parameters = {
    organization: question.organizationId,
    session: question.sessionId,
    command: question.commandId,
    ...(!both && { stream: streamName(question.stream) }),
  };
  const places = await clickhouse.rows<{ at: number | string; size: number | string }>(
    `SELECT ${at} AS at, size FROM events_v1 WHERE ${where} AND ${at} + size > {from:UInt64}
     ORDER BY at, size DESC LIMIT 1 BY at LIMIT ${chunksMax} SETTINGS max_execution_time = 10`,
    { ...parameters, from: question.offset },
  );
  const ranges = places.map((place) => ({ offset: Number(place.at), size: Number(place.size) }));
  const count = chunksNeeded(ranges, question.offset, question.limit);
  if (count === 0) return { chunks: [], exhausted: true };
  const rows = await clickhouse.rows<{ at: number | string; body: string }>(
    `SELECT ${at} AS at, base64Encode(body) AS body FROM events_v1
     WHERE ${where} AND ${at} BETWEEN {first:UInt64} AND {last:UInt64}
     ORDER BY at, size DESC LIMIT 1 BY at SETTINGS max_execution_time = 10`,
    { ...parameters, first: ranges[0]!.offset, last: ranges[count - 1]!.offset },
  );
  return {
    chunks: rows.map((row) => ({ offset: Number(row.at), bytes: Buffer.from(row.body, 'base64') })),
    exhausted: count === ranges.length && ranges.length < chunksMax,
  };
}

interface GapReason {
  fromPosition: number;
  toPosition: number;
  reason: string;
}

async function readGapReasons(clickhouse: ClickHouseReader, question: OutputQuestion): Promise<GapReason[]> {
  const rows = await clickhouse.rows<{ message: string }>(
    `SELECT base64Encode(message) AS message FROM events_v1
     WHERE organization_id = {organization:String} AND session_id = {session:String} AND producer = {command:String}
       AND type = 'gap'
     ORDER BY epoch, sequence LIMIT 1 BY epoch, sequence LIMIT 1000`,
    { organization: question.organizationId, session: question.sessionId, command: question.commandId },
  );
  return rows.flatMap(({ message }) => {
    const { payload } = storedEvent(message, '');
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
