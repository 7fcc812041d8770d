// Totals of sessions and days, kept as the events are: counted again for what a block touched, never added up.
//
// 1. A row is written after the events that it counts are stored, and with a higher version than any that counted less. So whatever is
//    delivered twice or dies in between, the highest version is right once there is one behind the last event.
// 2. What a dead process had stored and not counted is found by the position that is told with the totals: all behind it is counted again.
//    So is what was stored unnoticed, because the answer of an insert was lost.
// 3. Only who has the right to store counts.

import type { ClickHouse } from '../clickhouse/store.ts';
import { createFence, type StoringRight } from '../ingest/ingest-lease.ts';
import type { StoredEvents } from '../ingest/stored-events.ts';
import { type Sql, sql } from '../clickhouse/sql-text.ts';
import {
  addDay,
  addDirt,
  addEvents,
  addOrganization,
  addSession,
  type Dirt,
  entriesMax,
  isClean,
  noDirt,
} from './dirt.ts';
import { recountDays, recountOrganization, recountSessions } from './recount.ts';

export interface Totals extends StoredEvents {
  /** Counts what was touched since the last time. @throws where ClickHouse does not take it; the next time it is counted. */
  run(): Promise<void>;
  /** Counts all that an organization has, and says how much it is. */
  recount(organizationId: string): Promise<{ sessions: number; days: number }>;
}

export interface TotalsDeps {
  clickhouse: ClickHouse;
  right: StoringRight;
  now: () => Date;
}

export function createTotals({ clickhouse, right, now }: TotalsDeps): Totals {
  let dirt = noDirt();
  let version = 0;
  let last: Promise<unknown> = Promise.resolve();

  /** One at a time, so that a higher version has never seen less. */
  function inTurn<Answer>(work: () => Promise<Answer>): Promise<Answer> {
    const turn = last.then(work, work);
    last = turn.catch(() => {});
    return turn;
  }

  /** Of what is read from here on. Another process may have counted before. */
  async function nextVersion(): Promise<number> {
    const [row] = await clickhouse.rows<{ version: string }>(
      `SELECT max(version) AS version FROM (
         SELECT max(version) AS version FROM session_totals_v1 UNION ALL SELECT max(version) FROM daily_totals_v1
         UNION ALL SELECT max(version) FROM totals_positions_v1)`,
    );
    version = Math.max(version + 1, Number(row?.version ?? 0) + 1, now().getTime());
    return version;
  }

  async function write(statements: readonly Sql[], fence: { check(): void }): Promise<void> {
    for (const { text } of statements) {
      fence.check();
      await clickhouse.command(text);
    }
  }

  async function count(taken: Dirt): Promise<void> {
    const fence = createFence(right);
    if (taken.unknown.size > 0) await addUnknown(clickhouse, taken);
    const next = await nextVersion();
    await write(recountSessions(taken.sessions.values(), next), fence);
    await write(recountDays(taken.days.values(), next), fence);
    for (const organizationId of taken.organizations) await write(recountOrganization(organizationId, next), fence);
    const positions = [...taken.positions].map(([partition, { epoch, sequence }]) => ({
      partition,
      epoch,
      sequence,
      version: next,
    }));
    fence.check();
    await clickhouse.insert('totals_positions_v1', ['partition', 'epoch', 'sequence', 'version'], positions);
  }

  return {
    opened: (partition, position) => {
      if (!position) return;
      dirt.unknown.add(partition);
      dirt.positions.set(partition, position);
    },
    stored: (partition, epoch, events) => {
      const sequence = events.at(-1)?.sequence;
      if (sequence === undefined) return;
      addEvents(dirt, events);
      dirt.positions.set(partition, { epoch, sequence });
    },
    run: () =>
      inTurn(async () => {
        if (isClean(dirt) || right.fence() === undefined) return;
        const taken = dirt;
        dirt = noDirt();
        try {
          await count(taken);
        } catch (error) {
          dirt = addDirt(taken, dirt);
          throw error;
        }
      }),
    recount: (organizationId) =>
      inTurn(async () => {
        await write(recountOrganization(organizationId, await nextVersion()), createFence(right));
        const [row] = await clickhouse.rows<{ sessions: string; days: string }>(
          sql`SELECT (SELECT count() FROM session_totals_v1 FINAL WHERE organization_id = ${organizationId} AND events > 0) AS sessions,
                (SELECT uniqExact(day) FROM daily_totals_v1 FINAL WHERE organization_id = ${organizationId} AND events > 0) AS days`
            .text,
        );
        return { sessions: Number(row?.sessions ?? 0), days: Number(row?.days ?? 0) };
      }),
  };
}

/** What stands behind the positions that are told with the totals. */
async function addUnknown(clickhouse: ClickHouse, dirt: Dirt): Promise<void> {
  const told = await clickhouse.rows<{ partition: number; epoch: string; sequence: string }>(
    'SELECT partition, toString(epoch) AS epoch, toString(sequence) AS sequence FROM totals_positions_v1 FINAL',
  );
  const positions = new Map(
    told.map((row) => [row.partition, { epoch: Number(row.epoch), sequence: Number(row.sequence) }]),
  );
  const conditions = [...dirt.unknown].map((partition) => {
    const { epoch, sequence } = positions.get(partition) ?? { epoch: 0, sequence: 0 };
    // What fills a hole stands behind a sequence and has no other.
    return sql`(partition = ${partition} AND (epoch > ${epoch} OR (epoch = ${epoch} AND sequence >= ${sequence})))`;
  });
  const where = conditions.reduce((all, next) => sql`${all} OR ${next}`);
  const rows = await clickhouse.rows<{ organizationId: string; sessionId: string; day: string }>(
    sql`SELECT organization_id AS organizationId, session_id AS sessionId, toString(toDate32(time)) AS day FROM events_v1
        WHERE ${where} GROUP BY organizationId, sessionId, day LIMIT ${entriesMax}`.text,
  );
  if (rows.length < entriesMax) {
    for (const { organizationId, sessionId, day } of rows) {
      addSession(dirt, { organizationId, sessionId });
      addDay(dirt, { organizationId, day });
    }
    return;
  }
  const organizations = await clickhouse.rows<{ id: string }>(
    sql`SELECT DISTINCT organization_id AS id FROM events_v1 WHERE ${where}`.text,
  );
  for (const { id } of organizations) addOrganization(dirt, id);
}
