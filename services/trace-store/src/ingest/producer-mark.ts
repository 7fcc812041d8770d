// What is stored of one producer: where a publisher goes on when its subject is empty.
//
// The last event says it, but for one that says nothing of output that stands before it. However long the session is, what is read are the
// granules of that event, and of the last output.

import type { Cursor } from '@worktrail/contract/cursor';
import { endsProducer } from '@worktrail/runtime/event-producer';
import { readRowBinary } from '../clickhouse/row-bytes.ts';
import { type Sql, sql } from '../clickhouse/sql-text.ts';
import type { ClickHouseReader } from '../clickhouse/store.ts';
import { storedEvent } from './event-row.ts';
import { retainedMark } from './retained.ts';

export interface ProducerMark {
  number: number;
  stdoutOffset: number;
  stderrOffset: number;
  position: number;
  cursor: Cursor;
  ended: boolean;
}

interface Last {
  number: number;
  cursor: Cursor;
  stream: string;
  /** Behind the event's output. */
  offset: number;
  position: number;
  message: Buffer;
}

interface Outputs {
  stdoutOffset: number;
  stderrOffset: number;
  position: number;
}

const noOutputs: Outputs = { stdoutOffset: 0, stderrOffset: 0, position: 0 };

/** All zero when nothing is stored. */
export async function readProducerMark(
  clickhouse: ClickHouseReader,
  organizationId: string,
  sessionId: string,
  producer: string,
): Promise<ProducerMark> {
  const of = sql`organization_id = ${organizationId} AND session_id = ${sessionId} AND producer = ${producer}`;
  const last = await lastOf(clickhouse, of);
  if (last) return await byLastEvent(clickhouse, of, producer, last);
  const retained = await retainedMark(clickhouse, { organizationId, sessionId, producer });
  const nothing = { number: 0, cursor: { epoch: 0, sequence: 0 }, ...noOutputs };
  return { ...nothing, ...retained, ended: retained !== undefined };
}

/** Numbers grow in the order of the key, which is read from its end; of granules that the producer's index excludes nothing is read. */
async function lastOf(clickhouse: ClickHouseReader, of: Sql): Promise<Last | undefined> {
  const row = readRowBinary(
    await clickhouse.bytes(
      sql`SELECT number, epoch, sequence, stream, \`offset\` + size, position + size, message FROM events_v1 WHERE ${of}
          ORDER BY epoch DESC, sequence DESC, fill DESC LIMIT 1 SETTINGS max_execution_time = 10`.text,
    ),
  );
  if (row.isAtEnd()) return undefined;
  const number = row.number();
  const cursor = { epoch: row.number(), sequence: row.number() };
  const stream = row.bytes().toString();
  return { number, cursor, stream, offset: row.number(), position: row.number(), message: row.bytes() };
}

/** What was not kept counts: the position is the sum of the offsets, as a publisher has it. The stream that was written last has its true one. */
function behind({ stream, offset, position }: Last): Outputs {
  return stream === 'stderr'
    ? { position, stdoutOffset: position - offset, stderrOffset: offset }
    : { position, stdoutOffset: offset, stderrOffset: position - offset };
}

/** The end names the totals; what a gap leaves out is stdout's while the gap is last. */
async function byLastEvent(clickhouse: ClickHouseReader, of: Sql, producer: string, last: Last): Promise<ProducerMark> {
  const { payload } = storedEvent(last.message);
  const at = { number: last.number, cursor: last.cursor, ended: endsProducer(producer, payload) };
  if (payload.case === 'commandOutput') return { ...at, ...behind(last) };
  if (payload.case === 'commandEnded') {
    const [stdoutOffset, stderrOffset] = [Number(payload.value.stdoutBytes), Number(payload.value.stderrBytes)];
    return { ...at, stdoutOffset, stderrOffset, position: stdoutOffset + stderrOffset };
  }
  const output = at.number === 1 ? undefined : await lastOf(clickhouse, sql`${of} AND type = 'command.output'`);
  const outputs = output ? behind(output) : noOutputs;
  if (payload.case !== 'gap' || payload.value.producer !== producer) return { ...at, ...outputs };
  const position = Math.max(outputs.position, Number(payload.value.toPosition));
  return { ...at, position, stdoutOffset: position - outputs.stderrOffset, stderrOffset: outputs.stderrOffset };
}
