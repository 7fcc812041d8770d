// For this service's tests: a trace-store on a real nats-server and a real ClickHouse directory, and events to publish to it.

import { setTimeout as delay } from 'node:timers/promises';
import { create, toBinary } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { newId } from '@worktrail/contract/ids';
import { eventStream, eventSubject } from '@worktrail/contract/subjects';
import { ActorKind, EventSchema, Stream } from '@worktrail/proto/event';
import type { EventPayloadInit } from '@worktrail/runtime/event-producer';
import { createLifetime, type Lifetime } from '@worktrail/runtime/lifetime';
import { createLogger } from '@worktrail/runtime/log';
import { createTraceClient, type TraceClient } from '@worktrail/runtime/trace-client';
import { type NatsServer, startNatsServer } from '@worktrail/testing/nats-server';
import { makeScratch } from '@worktrail/testing/scratch';
import type { TraceStoreConfig } from './config.ts';
import { eventRow, type StoredRow } from './ingest/event-row.ts';
import { parseEvent } from './ingest/parse-event.ts';
import type { StreamMessage } from './ingest/stream-message.ts';
import type { Batch, Sink, StoreResult } from './ingest/ingest.ts';
import { noTask, type SessionTask } from './ingest/sources.ts';
import { startTraceStore } from './trace-store.ts';

export const internalToken = 'a-token-for-tests-of-the-trace-store';

export interface Fixture {
  path: string;
  nats: NatsServer;
  connection: NatsConnection;
  js: JetStreamClient;
  jsm: JetStreamManager;
  /** Asks again while the store does not answer in time, as its clients do. */
  trace: TraceClient;
  /** Asks once. */
  impatient: TraceClient;
  address(): string;
  config: TraceStoreConfig;
  /** Starts the service on the same directory; stops the one that runs. */
  start(change?: Partial<TraceStoreConfig>): Promise<void>;
  stop(): Promise<void>;
  close(): Promise<void>;
}

export async function openFixture(name: string, change: Partial<TraceStoreConfig> = {}): Promise<Fixture> {
  const scratch = await makeScratch(`trace-store-${name}`);
  const nats = await startNatsServer(`${scratch.path}/nats`);
  const connection = await connect({ servers: nats.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  const config = { ...testConfig(scratch.path, nats.url), ...change };
  const log = createLogger({ service: 'test', level: process.env['WORKTRAIL_TEST_LOG'] ?? 'silent' });
  let lifetime: Lifetime | undefined;
  let address = '';
  let client: TraceClient | undefined;
  const fixture: Fixture = {
    path: scratch.path,
    nats,
    connection,
    js: jetstream(connection),
    jsm: await jetstreamManager(connection),
    get trace() {
      return patient(fixture.impatient);
    },
    get impatient() {
      if (!client) throw new Error('the trace-store is not started');
      return client;
    },
    address: () => address,
    config,
    start: async (changed = {}) => {
      await lifetime?.close();
      lifetime = createLifetime(log);
      const { port } = await startTraceStore({ ...config, ...changed }, lifetime, log);
      address = `http://127.0.0.1:${port}`;
      client = createTraceClient(address, internalToken);
    },
    stop: async () => {
      await lifetime?.close();
      lifetime = undefined;
    },
    close: async () => {
      await lifetime?.close();
      await connection.close();
      await nats.stop();
      await scratch.remove();
    },
  };
  return fixture;
}

const patienceMs = 240_000;
const passing: readonly Code[] = [Code.Unavailable, Code.DeadlineExceeded];

/** What is not known in time on a busy machine is asked for again. */
export function patient(client: TraceClient): TraceClient {
  const asking = (call: (...parameters: unknown[]) => Promise<unknown>) =>
    async function ask(...parameters: unknown[]): Promise<unknown> {
      for (const deadline = performance.now() + patienceMs; ; await delay(100)) {
        try {
          return await call(...parameters);
        } catch (error) {
          if (!passing.includes(ConnectError.from(error).code) || performance.now() > deadline) throw error;
        }
      }
    };
  const calls = Object.entries(client).map(([name, call]) => [name, asking(call as never)]);
  return Object.fromEntries(calls) as TraceClient;
}

export function testConfig(path: string, natsUrl: string): TraceStoreConfig {
  return {
    clusterId: 'test',
    host: '127.0.0.1',
    port: 0,
    logLevel: 'silent',
    internalToken,
    nats: { url: natsUrl, user: '', password: '' },
    temporal: { address: '127.0.0.1:1', namespace: 'default' },
    partitions: 1,
    clickhouse: { kind: 'embedded', path: `${path}/clickhouse` },
    streams: {
      eventBytesMax: 256 * 1024 * 1024,
      replicas: 1,
      tailMessages: 20_000,
      tailBytes: 64 * 1024 * 1024,
      settleSeconds: 60,
    },
    querySecondsMax: 2,
    otlp: null,
    retention: { eventsDaysMax: null, outputDaysMax: null, auditDaysMax: null },
  };
}

export interface TestSession {
  organizationId: string;
  projectId: string;
  sessionId: string;
  partition: number;
}

export function newSession(organizationId = newId('organization')): TestSession {
  return { organizationId, projectId: newId('project'), sessionId: newId('session'), partition: 0 };
}

/** An event's message bytes. */
export function eventBytes(
  session: TestSession,
  producer: string,
  number: number,
  payload: EventPayloadInit,
): Uint8Array {
  return toBinary(
    EventSchema,
    create(EventSchema, {
      id: newId('event'),
      organizationId: session.organizationId,
      projectId: session.projectId,
      sessionId: session.sessionId,
      producer,
      number: BigInt(number),
      time: timestampFromDate(new Date(1_790_000_000_000 + number)),
      actor: { kind: ActorKind.USER, id: 'prn_test' },
      commandId: producer.startsWith('cmd_') ? producer : '',
      generation: 1,
      payload,
    }),
  );
}

export async function batchOf(sink: Sink, messages: readonly StreamMessage[], epoch: number): Promise<Batch> {
  const batch = sink.begin(epoch);
  await batch.add(messages);
  return batch;
}

/** As one batch. */
export async function storeAll(sink: Sink, messages: readonly StreamMessage[], epoch: number): Promise<StoreResult> {
  return (await batchOf(sink, messages, epoch)).store();
}

/** As the ingest stores it. */
export function storedRow(message: StreamMessage, task: SessionTask = noTask, ingestedAt = new Date()): StoredRow {
  return { ...eventRow(parseEvent(message), { partition: 0, epoch: 1, ingestedAt }), task };
}

export type Publish = (producer: string, number: number, payload: EventPayloadInit) => Promise<number>;

/** Publishes one event; resolves with its sequence. */
export function publisher(js: JetStreamClient, session: TestSession): Publish {
  return async (producer, number, payload) => {
    const ack = await js.publish(eventSubject(session, producer), eventBytes(session, producer, number, payload), {
      expect: { streamName: eventStream(session.partition) },
      timeout: 120_000,
    });
    return ack.seq;
  };
}

export function output(stream: 'stdout' | 'stderr', offset: number, position: number, bytes: Uint8Array) {
  return {
    case: 'commandOutput' as const,
    value: {
      stream: stream === 'stdout' ? Stream.STDOUT : Stream.STDERR,
      offset: BigInt(offset),
      position: BigInt(position),
      bytes: bytes as Uint8Array<ArrayBuffer>,
    },
  };
}

export function queued(command: string) {
  return {
    case: 'commandQueued' as const,
    value: { command, cwd: '', timeoutSeconds: 60, background: false, origin: 'user' },
  };
}

export function ended(exitCode: number, stdoutBytes: number, stderrBytes: number) {
  return {
    case: 'commandEnded' as const,
    value: { outcome: 1, exitCode, stdoutBytes: BigInt(stdoutBytes), stderrBytes: BigInt(stderrBytes) },
  };
}
