// For this service's tests: a gateway on a real nats-server, a real Temporal and a trace-store of its own; an organization in it.

import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Kvm } from '@nats-io/kv';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { RunnerDocument } from '@worktrail/contract/documents';
import { buckets, type HealthPart } from '@worktrail/contract/subjects';
import { createLifetime } from '@worktrail/runtime/lifetime';
import { createLogger, type Logger } from '@worktrail/runtime/log';
import { operatorSettings } from '@worktrail/runtime/operator-config';
import { answerHealth } from '@worktrail/runtime/part-health';
import { createTraceClient, type TraceClient } from '@worktrail/runtime/trace-client';
import { type NatsServer, startNatsServer } from '@worktrail/testing/nats-server';
import { makeScratch } from '@worktrail/testing/scratch';
import { freePort, type ServerProcess, startProcess } from '@worktrail/testing/server-process';
import { startTemporalServer, type TemporalServer } from '@worktrail/testing/temporal-server';
import type { GatewayConfig } from './config.ts';
import { startGateway } from './gateway.ts';

const internalToken = 'the-internal-token-of-the-tests-of-the-gateway';
export const operatorToken = 'the-operator-token-of-the-tests-of-the-gateway';

export interface Answer {
  status: number;
  headers: Headers;
  body: any;
}

export type Call = (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Answer>;

export interface Fixture {
  url: string;
  path: string;
  /** Where local repositories are allowed. */
  repositories: string;
  log: Logger;
  nats: NatsServer;
  connection: NatsConnection;
  trace: TraceClient;
  temporal: TemporalServer;
  traceStore: { kill(): Promise<void>; restart(): Promise<void> };
  organizationId: string;
  /** With the organization's first key. */
  call: Call;
  callWith(key: string): Call;
  key: string;
  /** As a runner would announce itself. */
  announceRunner(unavailable?: RunnerDocument['unavailable']): Promise<void>;
  /** As a process of the part would; the returned function ends it. */
  answerHealth(part: HealthPart): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

/** `operatorVariables`: what the operator says beside the defaults. */
export async function openFixture(name: string, operatorVariables: NodeJS.ProcessEnv = {}): Promise<Fixture> {
  const scratch = await makeScratch(`gateway-${name}`);
  const log = createLogger({ service: 'test', level: process.env['WORKTRAIL_TEST_LOG'] ?? 'silent' });
  const nats = await startNatsServer(join(scratch.path, 'nats'));
  const temporal = await startTemporalServer(join(scratch.path, 'temporal'));
  const tracePort = await freePort();
  const startTraceStore = () => startTraceStoreProcess(scratch.path, nats.url, tracePort);
  let traceStore = await startTraceStore();
  const connection = await connect({ servers: nats.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  const repositories = join(scratch.path, 'repositories');
  await mkdir(repositories);
  const lifetime = createLifetime(log);
  const variables = { ...operatorVariables, WORKTRAIL_REPOSITORY_ROOTS: repositories };
  const config = await gatewayConfig(scratch.path, nats.url, temporal.address, tracePort, variables);
  const { port } = await startGateway(config, lifetime, log);
  const url = `http://127.0.0.1:${port}`;
  const callWith = (token: string) => caller(url, token);
  const made = await callWith(operatorToken)('POST', '/v1/organizations', {
    name: 'Test',
    principal: { name: 'Ada', kind: 'user' },
  });
  if (made.status !== 201) throw new Error(`no organization: ${JSON.stringify(made.body)}`);
  const key = made.body.key.secret as string;
  return {
    ...{ url, path: scratch.path, repositories, log, nats, connection, temporal, key, callWith },
    organizationId: made.body.organization.id,
    trace: createTraceClient(config.traceStoreUrl, internalToken),
    call: callWith(key),
    traceStore: {
      kill: () => traceStore.kill(),
      restart: async () => {
        traceStore = await startTraceStore();
      },
    },
    announceRunner: (unavailable = null) => announceRunner(connection, unavailable),
    answerHealth: async (part) => {
      const answering = createLifetime(log);
      answerHealth(connection, part, () => true, answering);
      await connection.flush();
      return async () => {
        await answering.close();
        await connection.flush();
      };
    },
    close: async () => {
      await lifetime.close();
      await connection.close();
      await traceStore.stop();
      await temporal.stop();
      await nats.stop();
      await scratch.remove();
    },
  };
}

function startTraceStoreProcess(path: string, natsUrl: string, port: number): Promise<ServerProcess> {
  const main = fileURLToPath(new URL('../../trace-store/src/main.ts', import.meta.url));
  return startProcess(process.execPath, [main], {
    logPath: join(path, 'trace-store.log'),
    env: {
      ...process.env,
      WORKTRAIL_CLUSTER_ID: 'test',
      WORKTRAIL_PORT: String(port),
      WORKTRAIL_INTERNAL_TOKEN: internalToken,
      WORKTRAIL_NATS_URL: natsUrl,
      WORKTRAIL_TEMPORAL_ADDRESS: '127.0.0.1:1',
      WORKTRAIL_CLICKHOUSE_PATH: join(path, 'clickhouse'),
    },
    ready: async () => {
      const response = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
      return response?.ok === true;
    },
    readyTimeoutMs: 60_000,
  });
}

async function gatewayConfig(
  path: string,
  natsUrl: string,
  temporalAddress: string,
  tracePort: number,
  variables: NodeJS.ProcessEnv,
): Promise<GatewayConfig> {
  const secretsKeyFile = join(path, 'secrets-key');
  await writeFile(secretsKeyFile, randomBytes(32).toString('hex'), { mode: 0o600 });
  return {
    clusterId: 'test',
    host: '127.0.0.1',
    port: 0,
    logLevel: 'silent',
    internalToken,
    nats: { url: natsUrl, user: '', password: '' },
    temporal: { address: temporalAddress, namespace: 'default' },
    partitions: 1,
    traceStoreUrl: `http://127.0.0.1:${tracePort}`,
    secretsKey: { file: secretsKeyFile, given: undefined },
    operatorToken,
    operator: operatorSettings('', 'test', variables),
    stateDirectory: join(path, 'state'),
  };
}

function caller(url: string, token: string): Call {
  return async (method, path, body, headers = {}) => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : undefined };
  };
}

async function announceRunner(connection: NatsConnection, unavailable: RunnerDocument['unavailable']): Promise<void> {
  const document: RunnerDocument = {
    id: 'run-test',
    hostQueue: 'sandbox-runner.run-test',
    url: 'http://127.0.0.1:9',
    startedAt: new Date().toISOString(),
    version: 'test',
    labels: {},
    slots: { total: 1, used: 0, memoryMb: { total: null, used: 0 } },
    draining: false,
    unavailable,
  };
  const bucket = await new Kvm(connection).create(buckets.runners);
  await bucket.put(document.id, JSON.stringify(document));
}
