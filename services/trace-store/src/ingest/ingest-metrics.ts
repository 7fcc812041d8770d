// What ingest tells Prometheus, by stream.

import type { Metrics } from '@worktrail/runtime/metrics';
import { Counter, Gauge, Histogram } from 'prom-client';

export type IngestMetrics = ReturnType<typeof createIngestMetrics>;

export function createIngestMetrics(registry: Metrics) {
  const registers = [registry];
  const labelNames = ['stream'] as const;
  const counter = (name: string, help: string) =>
    new Counter({ name: `worktrail_trace_store_${name}_total`, help, labelNames, registers });
  const insertSeconds = new Histogram({
    name: 'worktrail_trace_store_insert_seconds',
    help: 'Time to store one batch in ClickHouse',
    labelNames,
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  });
  return {
    rows: counter('rows', 'Rows stored'),
    batches: counter('batches', 'Batches stored'),
    insertFailures: counter('insert_failures', 'Batches that ClickHouse did not take and that were tried again'),
    duplicates: counter('duplicates', 'Messages dropped because they are stored already'),
    holes: counter('holes', 'Missing numbers found inside a producer'),
    backfilled: counter('backfilled', 'Missing events that were made again from a journal'),
    missing: counter('missing', 'Missing events that a gap stands for'),
    deadLetters: counter('dead_letters', 'Messages that could not be stored'),
    purged: counter('purged', 'Messages purged from the stream after they were stored'),
    lag: (stream: string, pending: () => number) => lagGauge(registry).set(stream, pending),
    observeInsert: async <T>(stream: string, insert: () => Promise<T>): Promise<T> => {
      const end = insertSeconds.startTimer({ stream });
      try {
        return await insert();
      } finally {
        end();
      }
    },
  };
}

const sources = new WeakMap<Metrics, Map<string, () => number>>();

/** Read when Prometheus asks. */
function lagGauge(registry: Metrics): Map<string, () => number> {
  const known = sources.get(registry);
  if (known) return known;
  const byStream = new Map<string, () => number>();
  sources.set(registry, byStream);
  new Gauge({
    name: 'worktrail_trace_store_lag_messages',
    help: 'Messages in the stream that are not stored yet',
    labelNames: ['stream'],
    registers: [registry],
    collect() {
      for (const [stream, pending] of byStream) this.set({ stream }, pending());
    },
  });
  return byStream;
}
