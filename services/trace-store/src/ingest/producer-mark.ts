// What is stored of one producer: where a publisher goes on when its subject is empty.

import type { Cursor } from '@worktrail/contract/cursor';
import { type CommandEnded, Stream } from '@worktrail/proto/event';
import type { ClickHouseReader } from '../clickhouse/store.ts';
import { retainedMark } from './retained.ts';
import { endsProducer } from '@worktrail/runtime/event-producer';
import { storedMessage } from './event-row.ts';

export interface ProducerMark {
  number: number;
  stdoutOffset: number;
  stderrOffset: number;
  position: number;
  cursor: Cursor;
  ended: boolean;
}

interface Row {
  highest: number | string;
  stdout: number | string;
  stderr: number | string;
  written: number | string;
  last: string;
  place: [number | string, number | string];
}

/** All zero when nothing is stored. */
export async function readProducerMark(
  clickhouse: ClickHouseReader,
  organizationId: string,
  sessionId: string,
  producer: string,
): Promise<ProducerMark> {
  const [row] = await clickhouse.rows<Row>(
    `SELECT max(number) AS highest,
       maxIf(\`offset\` + size, stream = 'stdout') AS stdout,
       maxIf(\`offset\` + size, stream = 'stderr') AS stderr,
       maxIf(position + size, type = 'command.output') AS written,
       base64Encode(argMax(message, number)) AS last,
       max((epoch, sequence)) AS place
     FROM events_v1
     WHERE organization_id = {organization:String} AND session_id = {session:String} AND producer = {producer:String}
     SETTINGS max_execution_time = 10`,
    { organization: organizationId, session: sessionId, producer },
  );
  const mark: ProducerMark = {
    number: Number(row?.highest ?? 0),
    stdoutOffset: Number(row?.stdout ?? 0),
    stderrOffset: Number(row?.stderr ?? 0),
    position: Number(row?.written ?? 0),
    cursor: { epoch: Number(row?.place[0] ?? 0), sequence: Number(row?.place[1] ?? 0) },
    ended: false,
  };
  if (mark.number > 0 && row) return byLastEvent(mark, producer, row.last);
  const retained = await retainedMark(clickhouse, { organizationId, sessionId, producer });
  return retained ? { ...mark, ...retained, ended: true } : mark;
}

/**
 * What was not kept counts: the position is the sum of the offsets, as a publisher has it. The end names the totals; before it the
 * stream that was written last has its true offset, and what a gap leaves out is the other's, or stdout's while the gap is last.
 */
function byLastEvent(mark: ProducerMark, producer: string, lastMessage: string): ProducerMark {
  const { payload } = storedMessage(lastMessage);
  switch (payload.case) {
    case 'commandEnded':
      return withTotals(mark, payload.value);
    case 'gap': {
      if (payload.value.producer !== producer) return mark;
      const position = Math.max(mark.position, Number(payload.value.toPosition));
      return { ...mark, position, stdoutOffset: position - mark.stderrOffset };
    }
    case 'commandOutput':
      return payload.value.stream === Stream.STDERR
        ? { ...mark, stdoutOffset: mark.position - mark.stderrOffset }
        : { ...mark, stderrOffset: mark.position - mark.stdoutOffset };
    default:
      return { ...mark, ended: endsProducer(producer, payload) };
  }
}

function withTotals(mark: ProducerMark, end: CommandEnded): ProducerMark {
  const stdoutOffset = Math.max(mark.stdoutOffset, Number(end.stdoutBytes));
  const stderrOffset = Math.max(mark.stderrOffset, Number(end.stderrBytes));
  const position = Math.max(mark.position, stdoutOffset + stderrOffset);
  return { ...mark, stdoutOffset, stderrOffset, position, ended: true };
}
