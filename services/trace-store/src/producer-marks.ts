// The highest stored number of each producer: a bounded memory over what ClickHouse says.
//
// A producer that is not remembered is looked up, never assumed to be new; so marks are exact after a restart and after eviction.

import type { ClickHouseReader } from './clickhouse.ts';
import type { ParsedEvent } from './parse-event.ts';
import { producerKey } from './plan-batch.ts';
import { quoteString } from './sql-text.ts';

const lookupProducersMax = 500;

export interface ProducerMarks {
  /** The marks of the producers of these events, by producer key. */
  load(events: readonly ParsedEvent[]): Promise<Map<string, number>>;
  /** Call once the events are stored. */
  advance(marks: ReadonlyMap<string, number>): void;
}

export function createProducerMarks(clickhouse: ClickHouseReader, remembered = 50_000): ProducerMarks {
  const memory = new Map<string, number>();

  function remember(key: string, number: number): void {
    memory.delete(key);
    memory.set(key, number);
    if (memory.size > remembered) memory.delete(memory.keys().next().value!);
  }

  return {
    load: async (events) => {
      const marks = new Map<string, number>();
      const unknown = new Map<string, ParsedEvent>();
      for (const parsed of events) {
        const key = producerKey(parsed.event);
        const mark = memory.get(key);
        if (mark === undefined) unknown.set(key, parsed);
        else marks.set(key, mark);
      }
      const keys = [...unknown.keys()];
      for (let start = 0; start < keys.length; start += lookupProducersMax) {
        const part = keys.slice(start, start + lookupProducersMax);
        const found = await lookUp(
          clickhouse,
          part.map((key) => unknown.get(key)!),
        );
        for (const key of part) marks.set(key, found.get(key) ?? 0);
      }
      return marks;
    },
    advance: (marks) => {
      for (const [key, number] of marks) remember(key, number);
    },
  };
}

async function lookUp(clickhouse: ClickHouseReader, events: readonly ParsedEvent[]): Promise<Map<string, number>> {
  const producers = events.map(({ event }) => [event.organizationId, event.sessionId, event.producer] as const);
  const list = (index: 0 | 1 | 2) =>
    [...new Set(producers.map((producer) => producer[index]))].map(quoteString).join(',');
  // The three plain conditions let the sorting key and the producer index skip what cannot match.
  const rows = await clickhouse.rows<{ o: string; s: string; p: string; number: string | number }>(`
    SELECT organization_id AS o, session_id AS s, producer AS p, max(number) AS number FROM events_v1
    WHERE organization_id IN (${list(0)}) AND session_id IN (${list(1)}) AND producer IN (${list(2)})
    GROUP BY o, s, p`);
  return new Map(
    rows.map((row) => [producerKey({ organizationId: row.o, sessionId: row.s, producer: row.p }), Number(row.number)]),
  );
}
