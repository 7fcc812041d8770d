// What `npm run bench -- trace` measures: a nats-server and the trace-store as a process of its own, on a directory of their own, without
// the other services. Events are published as producers publish them, but without waiting for one before the next.

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { eventStream } from '@worktrail/contract/subjects';
import { createTraceClient, type TraceClient } from '@worktrail/runtime/trace-client';
import { startNatsServer } from '@worktrail/testing/nats-server';
import { freePort, type ServerProcess, startProcess } from '@worktrail/testing/server-process';
import { resolveTool } from '../../deploy/local/src/tools.ts';
import { ensureStreams } from '../../services/trace-store/src/streams.ts';
import { cpuMs } from './cpu-time.ts';
import type { TraceData } from './trace-data.ts';

const root = join(import.meta.dirname, '../..');
const token = createHash('sha256').update('bench').digest('hex');
const publishesAtOnce = 2_000;
const restSecondsMax = 600;
const quietSeconds = 5;
/** In a second. */
const quietMs = 100;
const streamBytesMax = 4 * 1024 ** 3;

export interface TraceServers {
  trace: TraceClient;
  /** Resolves with the bytes of output among them. */
  publish(data: TraceData, events: number): Promise<number>;
  /** Resolves once everything that is in the streams can be read. */
  untilStored(): Promise<void>;
  /** Resolves once nothing is left to be merged: it has hardly used a core for some seconds. @throws after ten minutes */
  untilAtRest(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Of the trace-store since its start. */
  usage(): Promise<{ cpuMs: number; memoryMib: number }>;
  close(): Promise<void>;
}

export async function openTraceServers(directory: string, partitions: number): Promise<TraceServers> {
  process.env['WORKTRAIL_NATS_SERVER_BIN'] ??= (
    await resolveTool('nats-server', process.env['WORKTRAIL_TOOLS_DIR'] ?? join(root, '.worktrail/tools'), process.env)
  ).path;
  // Only what was filled in is lost where the machine fails.
  const nats = await startNatsServer(join(directory, 'nats'), '2m');
  const connection = await connect({ servers: nats.url, maxReconnectAttempts: -1, noAsyncTraces: true });
  const js = jetstream(connection);
  const jsm = await jetstreamManager(connection);
  const tail = { tailMessages: 0, tailBytes: 0, settleSeconds: 0 };
  await ensureStreams(jsm, partitions, { eventBytesMax: streamBytesMax, replicas: 1, ...tail });
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const trace = createTraceClient(url, token, 60_000);
  let service: ServerProcess | undefined;

  const lastSequences = () =>
    Promise.all(
      Array.from({ length: partitions }, async (_, partition) => {
        return (await jsm.streams.info(eventStream(partition))).state.last_seq;
      }),
    );

  return {
    trace,
    publish: async (data, events) => {
      let outputBytes = 0;
      let waiting: Promise<unknown>[] = [];
      for (let count = 0; count < events; count++) {
        const event = data.next();
        outputBytes += event.outputBytes;
        waiting.push(js.publish(event.subject, event.data, { timeout: 120_000 }));
        if (waiting.length < publishesAtOnce) continue;
        await Promise.all(waiting);
        waiting = [];
      }
      await Promise.all(waiting);
      return outputBytes;
    },
    untilStored: async () => {
      // What is acknowledged is stored; the trace-store itself is not asked, which would cost it something.
      for (const last = await lastSequences(); ; await delay(100)) {
        const acknowledged = await Promise.all(last.map((_, partition) => acknowledgedUpTo(jsm, partition)));
        if (acknowledged.every((sequence, partition) => sequence >= last[partition]!)) return;
      }
    },
    untilAtRest: async () => {
      const used = () => cpuMs(service!.pid);
      for (let [waited, quiet, before] = [0, 0, await used()]; quiet < quietSeconds; waited++) {
        if (waited === restSecondsMax) throw new Error('the trace-store did not come to rest');
        await delay(1_000);
        const now = await used();
        quiet = now - before < quietMs ? quiet + 1 : 0;
        before = now;
      }
    },
    start: async () => {
      service = await startProcess(process.execPath, [join(root, 'services/trace-store/src/main.ts')], {
        logPath: join(directory, 'trace-store.log'),
        ready: () =>
          fetch(`${url}/readyz`).then(
            ({ ok }) => ok,
            () => false,
          ),
        env: {
          ...process.env,
          WORKTRAIL_CLUSTER_ID: 'bench',
          WORKTRAIL_PORT: String(port),
          WORKTRAIL_LOG_LEVEL: 'warn',
          WORKTRAIL_INTERNAL_TOKEN: token,
          WORKTRAIL_NATS_URL: nats.url,
          WORKTRAIL_TEMPORAL_ADDRESS: '127.0.0.1:1',
          WORKTRAIL_PARTITIONS: String(partitions),
          WORKTRAIL_CLICKHOUSE_PATH: join(directory, 'clickhouse'),
          UV_THREADPOOL_SIZE: '16',
          WORKTRAIL_EVENT_STREAM_BYTES_MAX: String(streamBytesMax),
          WORKTRAIL_STREAM_TAIL_BYTES: '0',
          WORKTRAIL_STREAM_SETTLE_SECONDS: '0',
        },
      });
    },
    stop: async () => {
      await service?.stop();
      service = undefined;
    },
    usage: async () => ({ cpuMs: await cpuMs(service!.pid), memoryMib: await highestMemoryMib(service!.pid) }),
    close: async () => {
      await service?.stop();
      await connection.close();
      await nats.stop();
    },
  };
}

async function acknowledgedUpTo(jsm: JetStreamManager, partition: number): Promise<number> {
  const info = await jsm.consumers.info(eventStream(partition), 'trace-store').catch(() => undefined);
  return info?.ack_floor.stream_seq ?? 0;
}

async function highestMemoryMib(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? Number.NaN) / 1024;
}
