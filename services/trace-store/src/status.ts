// What the trace-store says of itself: versions, positions, lag, sizes.

import { create } from '@bufbuild/protobuf';
import type { JetStreamManager } from '@nats-io/jetstream';
import { deadLetterStream, deadLetterSubject } from '@worktrail/contract/subjects';
import { type GetStatusResponse, GetStatusResponseSchema } from '@worktrail/proto/trace';
import type { ClickHouse } from './clickhouse.ts';
import type { Ingest } from './ingest.ts';

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
  const deadLetters = await countDeadLetters(jsm);
  return create(GetStatusResponseSchema, {
    clickhouseVersion: version?.version ?? '',
    events: BigInt(size?.events ?? 0),
    diskBytes: BigInt(size?.bytes ?? 0),
    partitions: ingests.map((ingest, partition) => {
      const position = ingest.position();
      return {
        partition,
        stored: position && { epoch: BigInt(position.epoch), sequence: BigInt(position.sequence) },
        pending: BigInt(ingest.pending()),
        deadLetters: BigInt(deadLetters[deadLetterSubject(partition)] ?? 0),
      };
    }),
  });
}

async function countDeadLetters(jsm: JetStreamManager): Promise<Record<string, number>> {
  const info = await jsm.streams.info(deadLetterStream, { subjects_filter: '>' });
  return info.state.subjects ?? {};
}
