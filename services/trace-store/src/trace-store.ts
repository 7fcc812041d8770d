// The trace-store, opened in order: ClickHouse and its schema, NATS and its streams, ingest, then the questions.

import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { buckets } from '@worktrail/contract/subjects';
import { TraceService } from '@worktrail/proto/trace';
import { openBucket } from '@worktrail/runtime/buckets';
import { startHealthServer } from '@worktrail/runtime/health-server';
import { requireBearer } from '@worktrail/runtime/internal-auth';
import type { Lifetime } from '@worktrail/runtime/lifetime';
import type { Logger } from '@worktrail/runtime/log';
import { createMetrics } from '@worktrail/runtime/metrics';
import { connectNats } from '@worktrail/runtime/nats';
import { createReadiness } from '@worktrail/runtime/readiness';
import { createAuditSink } from './ingest/audit-sink.ts';
import { createPurgeHold } from './backup/purge-hold.ts';
import { setEmbeddedMerges } from './clickhouse/embedded-merges.ts';
import { openClickHouse } from './clickhouse/store.ts';
import type { TraceStoreConfig } from './config.ts';
import { createDeadLetters } from './ingest/dead-letters.ts';
import { lockDirectory } from './directory-lock.ts';
import { createEventSink } from './ingest/event-sink.ts';
import { createFlushBarrier } from './flush-barrier.ts';
import { type Ingest, type IngestDeps, startIngest } from './ingest/ingest.ts';
import { createJournalSource } from './ingest/journal-source.ts';
import { type IngestLease, ownStore, startIngestLease } from './ingest/ingest-lease.ts';
import { createIngestMetrics } from './ingest/ingest-metrics.ts';
import { createCollector } from './otlp/collector.ts';
import { startSpanExport } from './otlp/export-spans.ts';
import { createMergePace } from './ingest/merge-pace.ts';
import { createPurge, type Tail } from './ingest/purge.ts';
import { runRetention } from './retention/retention-job.ts';
import { applySchema } from './clickhouse/schema.ts';
import { registerStatusMetrics } from './status-metrics.ts';
import { auditStreamDefinition, ensureStreams, eventStreamDefinition } from './streams.ts';
import { createTotals } from './totals/totals.ts';
import { createTraceService } from './service/trace-service.ts';

/** ClickHouse's work is per batch more than per row; a reader does not wait, it hurries the batch it needs. */
const batch = { batchRowsMax: 30_000, batchBytesMax: 24 * 1024 * 1024, lingerMs: 1_000 };
const leaseBucket = 'worktrail-trace-store-lease';
/** A holder that was killed is followed after so long. */
const leaseMs = 10_000;
const purgeIntervalMs = 2_000;
const retentionIntervalMs = 3_600_000;
/** After a start, which has other things to do. */
const firstRetentionMs = 300_000;
const totalsIntervalMs = 5_000;
const paceIntervalMs = 1_000;
const auditTail: Tail = { messages: 10_000, bytes: 64 * 1024 * 1024 };

export async function startTraceStore(
  config: TraceStoreConfig,
  lifetime: Lifetime,
  log: Logger,
): Promise<{ port: number }> {
  if (config.clickhouse.kind === 'embedded') await lockDirectory(config.clickhouse.path, lifetime);
  const clickhouse = await openClickHouse(config.clickhouse, lifetime);
  await applySchema(clickhouse);
  if (config.clickhouse.kind === 'embedded') await setEmbeddedMerges(clickhouse);

  const connection = await connectNats(config.nats, 'trace-store', lifetime, log);
  const jsm = await jetstreamManager(connection);
  const js = jetstream(connection);
  await ensureStreams(jsm, config.partitions, config.streams);

  const lease = config.clickhouse.kind === 'server' ? await openLease(connection, lifetime, log) : undefined;
  const right = lease ?? ownStore;

  const registry = createMetrics('trace-store');
  const metrics = createIngestMetrics(registry);
  registerStatusMetrics(registry, { clickhouse, jsm, partitions: config.partitions, log });
  const ingestDeps = (partition: number): IngestDeps => {
    const deadLetters = createDeadLetters(js, jsm, partition);
    return { js, jsm, deadLetters, right, metrics, log, signal: lifetime.signal };
  };
  const now = () => new Date();
  const sessions = await openBucket(connection, buckets.sessions);
  const journals = createJournalSource({ nats: connection, sessions, log, signal: lifetime.signal });
  const totals = createTotals({ clickhouse, right, now });
  const ingests = Array.from({ length: config.partitions }, (_, partition) => {
    const deps = ingestDeps(partition);
    const sink = createEventSink({
      clickhouse,
      journals,
      deadLetters: deps.deadLetters,
      partition,
      right,
      now,
      totals,
    });
    return startIngest(deps, {
      definition: eventStreamDefinition(partition, config.streams),
      sink,
      ...batch,
    });
  });
  const audit = startIngest(ingestDeps(0), {
    definition: auditStreamDefinition(config.streams),
    sink: createAuditSink(clickhouse, right, now),
    ...batch,
  });
  const all = [...ingests, audit];
  lifetime.onClose('ingest', () => Promise.all(all.map((ingest) => ingest.done)));
  for (const ingest of all) metrics.lag(ingest.stream, ingest.pending);
  lease?.onLost(() => interruptAll(all, 'the lease to store is lost'));
  void interruptOnDisconnect(connection, all);

  const tail = { messages: config.streams.tailMessages, bytes: config.streams.tailBytes };
  const purgeDeps = { jsm, metrics, log, now };
  const settleMs = config.streams.settleSeconds * 1000;
  const purges = [
    ...ingests.map((ingest) => createPurge(purgeDeps, ingest, tail, settleMs)),
    createPurge(purgeDeps, audit, auditTail, settleMs),
  ];
  const configuration = await openBucket(connection, buckets.configuration);
  const retained = {
    clickhouse,
    configuration,
    sessions,
    ceilings: config.retention,
    totals,
    recounted: new Set<string>(),
  };
  const retention = { ...retained, right, now, log };
  const expiring = () =>
    runRetention(retention).catch((err: unknown) => log.warn({ err }, 'retention was interrupted'));
  lifetime.onClose('retention', repeat(expiring, retentionIntervalMs, firstRetentionMs));
  const purgeHold = createPurgeHold(Date.now);
  lifetime.onClose(
    'purge',
    repeat(() => purgeHold.unlessHeld(() => runAll(purges, log)), purgeIntervalMs),
  );

  // A server has its merges to itself, and other things to do than ours.
  if (config.clickhouse.kind === 'embedded') {
    const behind = () => ingests.reduce((sum, ingest) => sum + ingest.pending(), 0);
    const pace = createMergePace({ clickhouse, behind });
    const keepPace = () => pace.run().catch((err: unknown) => log.warn({ err }, 'could not set the pace of merges'));
    lifetime.onClose('merges', repeat(keepPace, paceIntervalMs, 0));
  }

  const countTotals = () => totals.run().catch((error: unknown) => log.warn({ err: error }, 'could not count totals'));
  lifetime.onClose('totals', repeat(atMostATwentieth(countTotals), totalsIntervalMs));

  if (config.otlp) {
    const { content, ...collector } = config.otlp;
    const positions = await openBucket(connection, buckets.otlp);
    const spans = {
      clickhouse,
      ingests,
      right,
      positions,
      send: createCollector(collector),
      options: { content },
      log,
    };
    const { done } = startSpanExport({ ...spans, signal: lifetime.signal });
    lifetime.onClose('spans', () => done);
  }

  const readiness = createReadiness();
  readiness.add('clickhouse', () => clickhouse.rows('SELECT 1'));
  readiness.add('nats', () => jsm.getAccountInfo());
  readiness.add('ingest', async () => {
    const problems = all.flatMap((ingest) => ingest.problem() ?? []);
    if (problems.length > 0) throw new Error(problems.join('; '));
  });

  const barrier = createFlushBarrier(jsm);
  const { querySecondsMax } = config;
  const clickhousePath = config.clickhouse.kind === 'embedded' ? config.clickhouse.path : undefined;
  const service = createTraceService({
    clickhouse,
    jsm,
    barrier,
    ingests,
    audit,
    totals,
    querySecondsMax,
    now,
    purgeHold,
    clickhousePath,
  });
  const rpc = connectNodeAdapter({
    routes: (router) => router.service(TraceService, service),
    interceptors: [requireBearer(config.internalToken)],
  });
  const routes = (...[request, response]: Parameters<typeof rpc>): boolean => {
    if (!request.url?.startsWith(`/${TraceService.typeName}/`)) return false;
    rpc(request, response);
    return true;
  };
  const { host, port } = config;
  return startHealthServer({ host, port, readiness, metrics: registry, routes }, lifetime);
}

/** Several trace-stores on one ClickHouse server: one of them stores. */
async function openLease(connection: NatsConnection, lifetime: Lifetime, log: Logger): Promise<IngestLease> {
  const bucket = await openBucket(connection, leaseBucket, { ttlMs: leaseMs });
  const name = `${hostname()}-${process.pid}-${randomBytes(4).toString('hex')}`;
  const lease = startIngestLease({ bucket, name, log, trustMs: leaseMs * 0.7, retryMs: 1_000 });
  lifetime.onClose('lease', () => lease.close());
  return lease;
}

async function interruptOnDisconnect(connection: NatsConnection, ingests: readonly Ingest[]): Promise<void> {
  for await (const status of connection.status()) {
    if (status.type !== 'disconnect') continue;
    interruptAll(ingests, 'the connection to NATS was lost');
  }
}

function interruptAll(ingests: readonly Ingest[], reason: string): void {
  for (const ingest of ingests) ingest.interrupt(reason);
}

async function runAll(purges: readonly (() => Promise<void>)[], log: Logger): Promise<void> {
  for (const purge of purges) await purge().catch((error: unknown) => log.warn({ err: error }, 'could not purge'));
}

/** Of the time: after one that took long it is left out for a while. */
function atMostATwentieth(task: () => Promise<unknown>): () => Promise<void> {
  let restsUntilMs = 0;
  return async () => {
    const beganMs = performance.now();
    if (beganMs < restsUntilMs) return;
    await task();
    const endedMs = performance.now();
    restsUntilMs = endedMs + 19 * (endedMs - beganMs);
  };
}

/** Runs again an interval after it ended; the answer stops it. */
function repeat(task: () => Promise<void>, intervalMs: number, firstMs = intervalMs): () => Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  let running = Promise.resolve();
  const schedule = (waitMs: number) => {
    timer = setTimeout(() => {
      running = task().finally(() => {
        if (timer) schedule(intervalMs);
      });
    }, waitMs);
  };
  schedule(firstMs);
  return async () => {
    clearTimeout(timer);
    timer = undefined;
    await running;
  };
}
