// The highest stored number of each producer: a bounded memory over what ClickHouse says.
//
// A session that is not remembered is looked up whole, so marks are exact after a restart and after eviction; of a remembered session
// a producer that is not known has nothing stored, because only this process stores its events. A new command costs no look-up.

import type { ClickHouseReader } from '../clickhouse/store.ts';
import type { ParsedEvent } from './parse-event.ts';
import { producerKey, sessionKey } from './event-keys.ts';
import { quoteString } from '../clickhouse/sql-text.ts';

const lookupSessionsMax = 500;

export interface ProducerMarks {
  /** The marks of these events' producers, by producer key; what is missing has nothing stored. */
  load(events: readonly ParsedEvent[]): Promise<ReadonlyMap<string, number>>;
  /** Call once the events are stored, with their marks. */
  advance(events: readonly ParsedEvent[], marks: ReadonlyMap<string, number>): void;
}

/** `producersMax`: remembered ones, of all sessions together; the sessions that were used last stay. */
export function createProducerMarks(clickhouse: Pick<ClickHouseReader, 'rows'>, producersMax = 200_000): ProducerMarks {
  const sessions = new Map<string, Map<string, number>>();
  let producers = 0;

  function remember(session: string, marks: Map<string, number>): void {
    sessions.set(session, marks);
    producers += marks.size;
  }

  function forget(session: string): Map<string, number> | undefined {
    const marks = sessions.get(session);
    sessions.delete(session);
    producers -= marks?.size ?? 0;
    return marks;
  }

  function shrink(): void {
    for (const session of sessions.keys()) {
      if (producers <= producersMax) return;
      forget(session);
    }
  }

  async function lookUp(unknown: readonly ParsedEvent[]): Promise<void> {
    const found = await storedMarks(clickhouse, unknown);
    for (const { sessionKey: session } of unknown) remember(session, found.get(session) ?? new Map());
  }

  return {
    load: async (events) => {
      const bySession = new Map(events.map((parsed) => [parsed.sessionKey, parsed] as const));
      const unknown = [...bySession].filter(([session]) => !sessions.has(session)).map(([, parsed]) => parsed);
      for (let start = 0; start < unknown.length; start += lookupSessionsMax) {
        await lookUp(unknown.slice(start, start + lookupSessionsMax));
      }
      const marks = new Map<string, number>();
      for (const { sessionKey: session, producerKey: producer } of events) {
        const mark = sessions.get(session)?.get(producer);
        if (mark !== undefined) marks.set(producer, mark);
      }
      return marks;
    },
    advance: (events, marks) => {
      for (const [producer, session] of new Map(events.map((parsed) => [parsed.producerKey, parsed.sessionKey]))) {
        // Taken out and put back: the map's order is that of use.
        const known = forget(session) ?? new Map<string, number>();
        const mark = marks.get(producer);
        if (mark !== undefined) known.set(producer, mark);
        remember(session, known);
      }
      shrink();
    },
  };
}

async function storedMarks(
  clickhouse: Pick<ClickHouseReader, 'rows'>,
  events: readonly ParsedEvent[],
): Promise<Map<string, Map<string, number>>> {
  const organizations = new Set(events.map(({ event }) => quoteString(event.organizationId)));
  const sessions = events.map(({ event }) => quoteString(event.sessionId));
  const those = `organization_id IN (${[...organizations].join(',')}) AND session_id IN (${sessions.join(',')})`;
  const rows = await clickhouse.rows<{ o: string; s: string; p: string; highest: string | number }>(`
    SELECT o, s, p, max(number) AS highest FROM (
      SELECT organization_id AS o, session_id AS s, producer AS p, number FROM events_v1 WHERE ${those}
      UNION ALL SELECT organization_id AS o, session_id AS s, producer AS p, number FROM retained_marks_v1 WHERE ${those}
    ) GROUP BY o, s, p`);
  const marks = new Map<string, Map<string, number>>();
  for (const row of rows) {
    const session = sessionKey({ organizationId: row.o, sessionId: row.s });
    const producers = marks.get(session) ?? new Map<string, number>();
    const producer = producerKey({ organizationId: row.o, sessionId: row.s, producer: row.p });
    marks.set(session, producers.set(producer, Number(row.highest)));
  }
  return marks;
}
