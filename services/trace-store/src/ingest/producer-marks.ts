// The highest stored number of each producer: a bounded memory over what ClickHouse says.
//
// 1. Marks are exact: only this process stores these events, and what it does not remember it looks up. A session that is not remembered is
//    looked up whole. Of one that is, a producer that is not known has nothing stored: a new command costs no look-up.
// 2. At most `producersMax` producers are remembered, an eighth of them of one session; those that were used last stay.
// 3. Of a session with more, those that were used longest ago are forgotten. From then on a producer of it that is not known is looked up by
//    itself, and all of a batch together: it may be new, or be forgotten.

import type { ClickHouseReader } from '../clickhouse/store.ts';
import type { ParsedEvent } from './parse-event.ts';
import { partsOfKey, producerKey, sessionKey } from './event-keys.ts';
import { type Sql, sql, sqlList } from '../clickhouse/sql-text.ts';

const lookupSessionsMax = 500;
/** In one statement, whose text has its bounds. */
const lookupProducersMax = 1_000;
const lookupCharactersMax = 100_000;

export interface ProducerMarks {
  /** The marks of these events' producers, by producer key; what is missing has nothing stored. */
  load(events: readonly ParsedEvent[]): Promise<ReadonlyMap<string, number>>;
  /** Call once the events are stored; those of a producer are in order. */
  advance(events: readonly ParsedEvent[]): void;
}

interface Known {
  /** By producer key, in the order of their use. */
  marks: Map<string, number>;
  /** What is not among them has nothing stored. */
  isWhole: boolean;
}

export function createProducerMarks(clickhouse: Pick<ClickHouseReader, 'rows'>, producersMax = 200_000): ProducerMarks {
  const ofSessionMax = Math.max(1, Math.floor(producersMax / 8));
  /** In the order of their use. */
  const sessions = new Map<string, Known>();
  let producers = 0;

  function use(session: string, known: Known): void {
    sessions.delete(session);
    sessions.set(session, known);
  }

  function setMark({ marks }: Known, producer: string, mark: number): void {
    if (!marks.delete(producer)) producers++;
    marks.set(producer, mark);
  }

  function shrink(): void {
    for (const [session, { marks }] of sessions) {
      if (producers <= producersMax) return;
      producers -= marks.size;
      sessions.delete(session);
    }
  }

  function shrinkSession(known: Known): void {
    for (const producer of known.marks.keys()) {
      if (known.marks.size <= ofSessionMax) return;
      known.marks.delete(producer);
      known.isWhole = false;
      producers--;
    }
  }

  async function lookUpSessions(keys: readonly string[]): Promise<void> {
    const limit = sql` LIMIT ${ofSessionMax + 1} BY o, s LIMIT ${producersMax + 1}`;
    const found = await storedMarks(clickhouse, ofSessions(keys), limit);
    if (found.size > producersMax && keys.length > 1) {
      const half = Math.ceil(keys.length / 2);
      await lookUpSessions(keys.slice(0, half));
      return await lookUpSessions(keys.slice(half));
    }
    const bySession = new Map(keys.map((key) => [key, new Map<string, number>()]));
    for (const [producer, mark] of found) bySession.get(sessionKey(partsOfKey(producer)))?.set(producer, mark);
    for (const [session, marks] of bySession) {
      const isWhole = marks.size <= ofSessionMax;
      sessions.set(session, { marks: isWhole ? marks : new Map(), isWhole });
      if (isWhole) producers += marks.size;
    }
    shrink();
  }

  return {
    load: async (events) => {
      const asked = producersOf(events);
      const unknown = new Set<string>();
      for (const session of asked.values()) {
        const known = sessions.get(session);
        if (known) use(session, known);
        else unknown.add(session);
      }
      const keys = [...unknown];
      for (let start = 0; start < keys.length; start += lookupSessionsMax) {
        await lookUpSessions(keys.slice(start, start + lookupSessionsMax));
      }
      const marks = new Map<string, number>();
      const missing: string[] = [];
      for (const [producer, session] of asked) {
        const known = sessions.get(session);
        const mark = known?.marks.get(producer);
        if (mark !== undefined) marks.set(producer, mark);
        else if (!known?.isWhole) missing.push(producer);
      }
      for (const portion of portions(missing)) {
        const names = sqlList(portion.map((key) => partsOfKey(key).producer));
        const those = sql`${ofSessions(portion)} AND producer IN (${names})`;
        const found = await storedMarks(clickhouse, those);
        for (const producer of portion) {
          const mark = found.get(producer);
          if (mark !== undefined) marks.set(producer, mark);
        }
      }
      return marks;
    },
    advance: (events) => {
      const marks = new Map<string, number>();
      for (const { producerKey: producer, number } of events) marks.set(producer, number);
      let session = '';
      let known: Known = { marks: new Map(), isWhole: false };
      for (const [producer, itsSession] of producersOf(events)) {
        if (itsSession !== session) {
          shrinkSession(known);
          session = itsSession;
          // Forgotten since it was loaded: what else is stored of it is not known.
          known = sessions.get(session) ?? { marks: new Map(), isWhole: false };
          use(session, known);
        }
        setMark(known, producer, marks.get(producer)!);
      }
      shrinkSession(known);
      shrink();
    },
  };
}

/** Each producer once, with its session. Events of one mostly follow each other. */
function producersOf(events: readonly ParsedEvent[]): Map<string, string> {
  const found = new Map<string, string>();
  let last = '';
  for (const event of events) {
    if (event.producerKey === last) continue;
    last = event.producerKey;
    found.set(last, event.sessionKey);
  }
  return found;
}

function* portions(producers: readonly string[]): Generator<string[]> {
  let portion: string[] = [];
  let characters = 0;
  for (const producer of producers) {
    if (portion.length === lookupProducersMax || characters > lookupCharactersMax) {
      yield portion;
      portion = [];
      characters = 0;
    }
    portion.push(producer);
    characters += producer.length;
  }
  if (portion.length > 0) yield portion;
}

/** The sessions of these keys, of producers or of sessions. */
function ofSessions(keys: readonly string[]): Sql {
  const parts = keys.map(partsOfKey);
  const organizations = sqlList([...new Set(parts.map(({ organizationId }) => organizationId))]);
  const sessions = sqlList([...new Set(parts.map(({ sessionId }) => sessionId))]);
  return sql`organization_id IN (${organizations}) AND session_id IN (${sessions})`;
}

/** By producer key. */
async function storedMarks(
  clickhouse: Pick<ClickHouseReader, 'rows'>,
  those: Sql,
  limit: Sql = sql``,
): Promise<Map<string, number>> {
  const marksIn = (table: Sql) =>
    sql`SELECT organization_id AS o, session_id AS s, producer AS p, number FROM ${table} WHERE ${those}`;
  const rows = await clickhouse.rows<{ o: string; s: string; p: string; highest: string | number }>(
    sql`SELECT o, s, p, max(number) AS highest FROM (
      ${marksIn(sql`events_v1`)} UNION ALL ${marksIn(sql`retained_marks_v1`)}
    ) GROUP BY o, s, p${limit}`.text,
  );
  return new Map(
    rows.map(({ o, s, p, highest }) => {
      return [producerKey({ organizationId: o, sessionId: s, producer: p }), Number(highest)];
    }),
  );
}
