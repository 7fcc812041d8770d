// What is stored of one producer: where a publisher goes on when its subject is empty.

import type { Cursor } from '@worktrail/contract/cursor';
import type { ClickHouseReader } from './clickhouse.ts';
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
  return mark.number === 0 || !row ? mark : withEnd(mark, row.last);
}

/** The end names the totals, also where the last of the output was not kept. */
function withEnd(mark: ProducerMark, lastMessage: string): ProducerMark {
  const { payload } = storedMessage(lastMessage);
  if (payload.case !== 'commandEnded') return mark;
  const stdoutOffset = Math.max(mark.stdoutOffset, Number(payload.value.stdoutBytes));
  const stderrOffset = Math.max(mark.stderrOffset, Number(payload.value.stderrBytes));
  const position = Math.max(mark.position, stdoutOffset + stderrOffset);
  return { ...mark, stdoutOffset, stderrOffset, position, ended: true };
}
