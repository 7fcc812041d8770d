// One partition's events into ClickHouse.
//
// The block of events_v1 is the commit: it holds the position that a restart goes on from. The summaries are written before it and
// are idempotent, so a kill in between leaves nothing out and counts nothing twice.

import type { Cursor } from '@worktrail/contract/cursor';
import type { ClickHouse } from './clickhouse.ts';
import { type BatchOrigin, type EventRow, eventColumns, eventRow } from './event-row.ts';
import type { Sink } from './ingest.ts';
import { type ParsedEvent, parseEvent, type StreamMessage } from './parse-event.ts';
import { planBatch } from './plan-batch.ts';
import { createProducerMarks } from './producer-marks.ts';
import { commandColumns, commandRow, type SummaryRow, sessionColumns, sessionRow } from './summary-rows.ts';

export function createEventSink(clickhouse: ClickHouse, partition: number, now: () => Date): Sink {
  let producerMarks = createProducerMarks(clickhouse);
  return {
    storedPosition: () => {
      // What an interrupted insert left behind is known to ClickHouse only.
      producerMarks = createProducerMarks(clickhouse);
      return storedPosition(clickhouse, partition);
    },
    store: async (messages, epoch) => {
      const { prepared, unstorable } = prepareAll(messages, { partition, epoch, ingestedAt: now() });
      const events = prepared.map(({ parsed }) => parsed);
      const marks = await producerMarks.load(events);
      const plan = planBatch(events, (key) => marks.get(key) ?? 0);
      const kept = new Set(plan.store);
      const rows = prepared.filter(({ parsed }) => kept.has(parsed));
      await Promise.all([
        clickhouse.insert('commands_v1', commandColumns, present(rows.map(({ command }) => command))),
        clickhouse.insert('sessions_v1', sessionColumns, present(rows.map(({ session }) => session))),
      ]);
      await clickhouse.insert('events_v1', eventColumns, present(rows.map(({ event }) => event)));
      producerMarks.advance(plan.store, plan.marks);
      return { rows: rows.length, duplicates: plan.duplicates, holes: plan.holes, unstorable };
    },
  };
}

interface Prepared {
  parsed: ParsedEvent;
  event: EventRow;
  command: SummaryRow | undefined;
  session: SummaryRow | undefined;
}

/** Whatever fails here fails the same way next time: such a message is named and must not hold up the others. */
function prepareAll(messages: readonly StreamMessage[], origin: BatchOrigin) {
  const prepared: Prepared[] = [];
  const unstorable: { message: StreamMessage; reason: string }[] = [];
  for (const message of messages) {
    try {
      const parsed = parseEvent(message);
      const event = eventRow(parsed, origin);
      prepared.push({ parsed, event, command: commandRow(parsed), session: sessionRow(parsed, origin.epoch) });
    } catch (error) {
      unstorable.push({ message, reason: (error as Error).message });
    }
  }
  return { prepared, unstorable };
}

function present<Row>(rows: readonly (Row | undefined)[]): Row[] {
  return rows.filter((row) => row !== undefined);
}

async function storedPosition(clickhouse: ClickHouse, partition: number): Promise<Cursor | undefined> {
  const [row] = await clickhouse.rows<{ epoch: string; sequence: string }>(
    `SELECT epoch, max(sequence) AS sequence FROM events_v1 WHERE partition = {partition:UInt16}
     GROUP BY epoch ORDER BY epoch DESC LIMIT 1`,
    { partition },
  );
  return row && { epoch: Number(row.epoch), sequence: Number(row.sequence) };
}
