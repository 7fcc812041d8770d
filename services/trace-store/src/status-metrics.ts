// What could not be stored, what was missing and what an upgrade still does, read when Prometheus asks: unlike counters it outlives the process.
//
// Where NATS or ClickHouse does not answer, the series is left out, and the others are told.

import type { JetStreamManager } from '@nats-io/jetstream';
import type { Logger } from '@worktrail/runtime/log';
import type { Metrics } from '@worktrail/runtime/metrics';
import { Gauge } from 'prom-client';
import type { ClickHouseReader } from './clickhouse/store.ts';
import { readDeadLetters, readFills, readUpgrades } from './status.ts';

export interface StatusMetricsDeps {
  clickhouse: ClickHouseReader;
  jsm: JetStreamManager;
  partitions: number;
  log: Logger;
}

export function registerStatusMetrics(
  registry: Metrics,
  { clickhouse, jsm, partitions, log }: StatusMetricsDeps,
): void {
  const gauge = <Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
    read: (gauge: Gauge<Label>) => Promise<void>,
  ) =>
    new Gauge<Label>({
      name: `worktrail_trace_store_${name}`,
      help,
      labelNames,
      registers: [registry],
      async collect() {
        this.reset();
        await read(this).catch((error: unknown) => log.warn({ err: error, name }, 'a metric could not be read'));
      },
    });

  gauge('dead_letters_kept', 'Messages that could not be stored', ['partition', 'newest_reason'], async (kept) => {
    for (const [partition, { count, newestReason }] of (await readDeadLetters(jsm, partitions)).entries()) {
      kept.set({ partition: String(partition), newest_reason: newestReason }, count);
    }
  });
  gauge(
    'upgrade_parts_left',
    'Parts that a newer schema is still to be applied to',
    ['table', 'what'],
    async (left) => {
      for (const { table, what, partsLeft } of await readUpgrades(clickhouse)) left.set({ table, what }, partsLeft);
    },
  );
  gauge('fills', 'Events where events were missing', ['partition', 'kind'], async (fills) => {
    const found = await readFills(clickhouse);
    for (let partition = 0; partition < partitions; partition++) {
      const { backfilled, gaps } = found.get(partition) ?? { backfilled: 0, gaps: 0 };
      fills.set({ partition: String(partition), kind: 'backfilled' }, backfilled);
      fills.set({ partition: String(partition), kind: 'gap' }, gaps);
    }
  });
}
