// What the trace-store says of itself: versions, positions, lag, sizes.

import { create } from '@bufbuild/protobuf';
import type { JetStreamManager } from '@nats-io/jetstream';
import { deadLetterStream, deadLetterSubject } from '@worktrail/contract/subjects';
import { type GetStatusResponse, GetStatusResponseSchema } from '@worktrail/proto/trace';
import type { ClickHouse, ClickHouseReader } from './clickhouse/store.ts';
import type { Ingest } from './ingest/ingest.ts';

export interface StatusDeps {
  clickhouse: ClickHouse;
  jsm: JetStreamManager;
  /** By partition. */
  ingests: readonly Ingest[];
}

export async function readStatus({ clickhouse, jsm, ingests }: StatusDeps): Promise<GetStatusResponse> {
  const [version] = await clickhouse.rows<{ version: string }>('SELECT version() AS version');
  const [size] = await clickhouse.rows<{ events: string; bytes: string }>(
    `SELECT sumIf(rows, table = 'events_v1') AS events, sum(bytes_on_disk) AS bytes FROM system.parts
     WHERE active AND database = currentDatabase()`,
  );
  const letters = await readDeadLetters(jsm, ingests.length);
  const fills = await readFills(clickhouse);
  const upgrades = await readUpgrades(clickhouse);
  return create(GetStatusResponseSchema, {
    clickhouseVersion: version?.version ?? '',
    events: BigInt(size?.events ?? 0),
    diskBytes: BigInt(size?.bytes ?? 0),
    upgrades: upgrades.map((one) => ({ ...one, partsLeft: BigInt(one.partsLeft) })),
    partitions: ingests.map((ingest, partition) => {
      const position = ingest.position();
      return {
        partition,
        stored: position && { epoch: BigInt(position.epoch), sequence: BigInt(position.sequence) },
        pending: BigInt(ingest.pending()),
        deadLetters: BigInt(letters[partition]!.count),
        newestDeadLetterReason: letters[partition]!.newestReason,
        eventsBackfilled: BigInt(fills.get(partition)?.backfilled ?? 0),
        gaps: BigInt(fills.get(partition)?.gaps ?? 0),
      };
    }),
  });
}

export interface DeadLetterCount {
  count: number;
  /** Empty when there is none. */
  newestReason: string;
}

/** What is kept for people to look at, by partition, and why the newest of it could not be stored. */
export async function readDeadLetters(jsm: JetStreamManager, partitions: number): Promise<DeadLetterCount[]> {
  const info = await jsm.streams.info(deadLetterStream, { subjects_filter: '>' });
  const subjects = Object.entries(info.state.subjects ?? {});
  const read = async (partition: number): Promise<DeadLetterCount> => {
    const subject = deadLetterSubject(partition);
    const own = subjects.filter(([name]) => name === subject || name.startsWith(`${subject}.`));
    const count = own.reduce((sum, [, letters]) => sum + letters, 0);
    return { count, newestReason: count === 0 ? '' : await newestReason(jsm, subject) };
  };
  return Promise.all(Array.from({ length: partitions }, (_, partition) => read(partition)));
}

async function newestReason(jsm: JetStreamManager, subject: string): Promise<string> {
  const newest = [subject, `${subject}.>`].map((last_by_subj) =>
    jsm.streams.getMessage(deadLetterStream, { last_by_subj }),
  );
  const last = (await Promise.all(newest)).reduce((a, b) => ((b?.seq ?? 0) > (a?.seq ?? 0) ? b : a));
  return last?.header.get('Worktrail-Reason') ?? '';
}

export interface Upgrade {
  table: string;
  what: string;
  partsLeft: number;
  /** Empty where no try failed. */
  failure: string;
}

/** What is still to be done to the rows of before a newer schema, oldest first. */
export async function readUpgrades(clickhouse: ClickHouseReader): Promise<Upgrade[]> {
  const rows = await clickhouse.rows<{ table: string; command: string; left: string; failure: string }>(
    `SELECT table, command, toString(parts_to_do) AS left, latest_fail_reason AS failure FROM system.mutations
     WHERE database = currentDatabase() AND NOT is_done AND command LIKE '%MATERIALIZE%' ORDER BY create_time, mutation_id`,
  );
  return rows.map(({ table, command, left, failure }) => {
    return { table, what: command.replace(/^\((.*)\)$/, '$1'), partsLeft: Number(left), failure };
  });
}

interface Fills {
  /** Events that are there again. */
  backfilled: number;
  gaps: number;
}

/** What stands where events were missing, by partition. */
export async function readFills(clickhouse: ClickHouseReader): Promise<Map<number, Fills>> {
  const rows = await clickhouse.rows<{ partition: number; backfilled: string; gaps: string }>(
    `SELECT partition, countIf(type != 'gap') AS backfilled, countIf(type = 'gap') AS gaps FROM events_v1 FINAL
     WHERE fill > 0 GROUP BY partition SETTINGS max_execution_time = 10`,
  );
  return new Map(
    rows.map(({ partition, backfilled, gaps }) => [partition, { backfilled: Number(backfilled), gaps: Number(gaps) }]),
  );
}
