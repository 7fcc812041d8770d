// A running orchestrator for tests: real Temporal, real NATS, the service started by its own function, a scripted runner.

import { jetstream, jetstreamManager, type JetStreamManager, RetentionPolicy } from '@nats-io/jetstream';
import type { KV } from '@nats-io/kv';
import { connect } from '@nats-io/transport-node';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { fromBinary } from '@bufbuild/protobuf';
import { runnerAnnouncementTtlMs } from '@worktrail/contract/runner-announcements';
import { buckets, eventStream, eventStreamSubjects } from '@worktrail/contract/subjects';
import { type Event, EventSchema } from '@worktrail/proto/event';
import { openBucket } from '@worktrail/runtime/buckets';
import type { ProducerDeps } from '@worktrail/runtime/event-producer';
import { createLifetime, type Lifetime } from '@worktrail/runtime/lifetime';
import { createLogger } from '@worktrail/runtime/log';
import { askHealth } from '@worktrail/runtime/part-health';
import { installTemporalRuntime } from '@worktrail/runtime/temporal';
import { type NatsServer, startNatsServer } from '@worktrail/testing/nats-server';
import { makeScratch } from '@worktrail/testing/scratch';
import { type Answer, type Asked, startScriptedModel } from '@worktrail/testing/scripted-model';
import { startTemporalServer, type TemporalServer } from '@worktrail/testing/temporal-server';
import { startOrchestrator } from '../src/orchestrator.ts';
import { type ScriptedGit, startScriptedGit } from './scripted-git.ts';
import { type ScriptedScans, startScriptedScans } from './scripted-scans.ts';
import { type ScriptedRunner, startScriptedRunner } from './scripted-runner.ts';
import { type Match, startStreamTraceStore, type StoredEvent } from './stream-trace-store.ts';

/** Bundling takes seconds on a small machine; the bundle's name is the hash of its sources. */
export const bundleDirectory = new URL('../../../node_modules/.cache/worktrail-workflows', import.meta.url).pathname;
const log = createLogger({ service: 'orchestrator-test', level: process.env['TEST_LOG_LEVEL'] ?? 'silent' });

export interface Servers {
  temporal: TemporalServer;
  nats: NatsServer;
  stop(): Promise<void>;
}

export interface OrchestratorBed {
  client: Client;
  runner: ScriptedRunner;
  git: ScriptedGit;
  /** The agents' model: how it answers from now on. */
  model: { answer(asked: Asked): Answer };
  scans: ScriptedScans;
  /** Another one beside it, for the rest of the bed's life. */
  startRunner(runnerId: string): Promise<ScriptedRunner>;
  sessions: KV;
  trials: KV;
  proposals: KV;
  configuration: KV;
  readonly port: number;
  /** Rejects when the orchestrator does not answer that it works. */
  askHealth(): Promise<void>;
  /** What the trace-store tells webhooks of. */
  matches: Match[];
  /** Every event of a session that is in the stream, in the stream's order; and the same with its place. */
  stored(sessionId: string): Promise<StoredEvent[]>;
  events(sessionId: string): Promise<Event[]>;
  stopOrchestrator(): Promise<void>;
  startOrchestrator(): Promise<void>;
  stop(): Promise<void>;
}

export async function startServers(): Promise<Servers> {
  const scratch = await makeScratch('orchestrator');
  const [temporal, nats] = await Promise.all([
    startTemporalServer(`${scratch.path}/temporal`),
    startNatsServer(`${scratch.path}/nats`),
  ]);
  return {
    temporal,
    nats,
    stop: async () => {
      await Promise.all([temporal.stop(), nats.stop()]);
      await scratch.remove();
    },
  };
}

export async function startOrchestratorBed(servers: Servers, cachedWorkflowsMax: number): Promise<OrchestratorBed> {
  installTemporalRuntime(log);
  const nats = await connect({ servers: servers.nats.url, maxReconnectAttempts: -1, reconnectTimeWait: 100 });
  const jsm = await jetstreamManager(nats);
  await makeEventStream(jsm);
  const producer = { js: jetstream(nats), jsm, trace: { getProducerMark: noMark }, log } as unknown as ProducerDeps;
  const native = await NativeConnection.connect({ address: servers.temporal.address });
  const connection = await Connection.connect({ address: servers.temporal.address });
  const runners = await openBucket(nats, buckets.runners, { ttlMs: runnerAnnouncementTtlMs });
  const runner = await startScriptedRunner(native, producer, runners);
  const git = await startScriptedGit(native);
  const events = createEventReader(jsm);
  const matches: Match[] = [];
  const traceStore = await startStreamTraceStore(events, matches);
  const model: OrchestratorBed['model'] = { answer: () => ({ text: 'There is nothing to do.', calls: [] }) };
  const modelServer = await startScriptedModel({ answer: (asked) => model.answer(asked) });
  const scans = await startScriptedScans(native);
  const others: (() => Promise<void>)[] = [];
  let lifetime!: Lifetime;
  let port = 0;
  const start = async () => {
    lifetime = createLifetime(log);
    ({ port } = await startOrchestrator(
      config(servers, { traceStoreUrl: traceStore.url, modelUrl: `${modelServer.url}/v1`, cachedWorkflowsMax }),
      lifetime,
      log,
    ));
  };
  await start();
  return {
    client: new Client({ connection }),
    runner,
    git,
    model,
    scans,
    startRunner: async (id) => {
      // Each polls the queue of places, and of one connection only one worker may.
      const own = await NativeConnection.connect({ address: servers.temporal.address });
      const other = await startScriptedRunner(own, producer, runners, id);
      const stop = async () => {
        await other.stop();
        await own.close();
      };
      others.push(stop);
      return other;
    },
    sessions: await openBucket(nats, buckets.sessions),
    trials: await openBucket(nats, buckets.trials),
    proposals: await openBucket(nats, buckets.proposals),
    configuration: await openBucket(nats, buckets.configuration),
    get port() {
      return port;
    },
    askHealth: () => askHealth(nats, 'orchestrator'),
    matches,
    stored: events,
    events: async (sessionId) => (await events(sessionId)).map(({ event }) => event),
    stopOrchestrator: () => lifetime.close(),
    startOrchestrator: start,
    stop: async () => {
      await lifetime.close();
      for (const stopOther of others) await stopOther();
      await runner.stop();
      await git.stop();
      await scans.stop();
      await connection.close();
      await native.close();
      await nats.close();
      await traceStore.stop();
      await modelServer.close();
    },
  };
}

function config(
  servers: Servers,
  {
    traceStoreUrl,
    modelUrl,
    cachedWorkflowsMax,
  }: { traceStoreUrl: string; modelUrl: string; cachedWorkflowsMax: number },
) {
  return {
    clusterId: 'test',
    host: '127.0.0.1',
    port: 0,
    logLevel: 'silent',
    internalToken: 'x'.repeat(32),
    nats: { url: servers.nats.url, user: '', password: '' },
    temporal: { address: servers.temporal.address, namespace: 'default' },
    partitions: 1,
    models: {
      named: {},
      url: modelUrl,
      urlKey: undefined,
      openaiKey: undefined,
      openaiUrl: undefined,
      anthropicKey: undefined,
      googleKey: undefined,
    },
    traceStoreUrl,
    workflowBundleDirectory: bundleDirectory,
    cachedWorkflowsMax,
    reconcileGraceMs: 900_000,
    secretsKey: { file: undefined, given: '0'.repeat(64) },
    webhookPrivateAllowed: [],
  };
}

async function makeEventStream(jsm: JetStreamManager): Promise<void> {
  const subjects = eventStreamSubjects(0);
  await jsm.streams.add({
    name: eventStream(0),
    subjects: [subjects.stored],
    retention: RetentionPolicy.Limits,
    republish: { src: subjects.stored, dest: subjects.live },
    allow_direct: true,
  });
}

/** Reads each event of the stream once, however often it is asked: what is new since the last time is added. */
function createEventReader(jsm: JetStreamManager): (sessionId: string) => Promise<StoredEvent[]> {
  const bySession = new Map<string, StoredEvent[]>();
  let nextSeq = 1;
  let last: Promise<void> = Promise.resolve();
  const readNew = async () => {
    const { state } = await jsm.streams.info(eventStream(0));
    for (nextSeq = Math.max(nextSeq, state.first_seq); nextSeq <= state.last_seq; nextSeq++) {
      const message = await jsm.streams.getMessage(eventStream(0), { seq: nextSeq });
      if (!message) continue;
      const event = fromBinary(EventSchema, message.data);
      const events = bySession.get(event.sessionId);
      const stored = { sequence: nextSeq, event };
      if (events) events.push(stored);
      else bySession.set(event.sessionId, [stored]);
    }
  };
  return async (sessionId) => {
    const reading = last.then(readNew);
    last = reading.catch(() => undefined);
    await reading;
    return [...(bySession.get(sessionId) ?? [])];
  };
}

async function noMark() {
  return { number: 0n, sequence: 0n, stdoutOffset: 0n, stderrOffset: 0n, position: 0n, ended: false };
}
