// The gateway: the public HTTP API over Temporal, NATS and the trace-store. It decides nothing about a session's life.
//
// 1. It listens at once; until its parts were reached for the first time, everything but /healthz is 503.
// 2. A part that is away later is 503 for what needs it, by name, within 5 s; the process goes on.

import { OpenAPIHono } from '@hono/zod-openapi';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { KV } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import { buckets } from '@worktrail/contract/subjects';
import { openBucket } from '@worktrail/runtime/buckets';
import type { Lifetime } from '@worktrail/runtime/lifetime';
import type { Logger } from '@worktrail/runtime/log';
import { createMetrics } from '@worktrail/runtime/metrics';
import { connectNats } from '@worktrail/runtime/nats';
import { loadOperatorConfig } from '@worktrail/runtime/operator-config';
import { createReadiness } from '@worktrail/runtime/readiness';
import { openSecretBox } from '@worktrail/runtime/secret-box';
import { connectTemporalClient } from '@worktrail/runtime/temporal';
import { createTraceClient } from '@worktrail/runtime/trace-client';
import type { GatewayConfig } from './config.ts';
import { callTimeoutsMs, unavailable } from './deadline.ts';
import { createGatewayApp } from './gateway-app.ts';
import { createHttpMetrics } from './http/http-metrics.ts';
import { addHealthRoutes } from './http/open-routes.ts';
import { requestIdOf } from './http/request-id.ts';
import { startHttpServer } from './http/server.ts';
import { idempotencyTtlMs } from './idempotency.ts';
import { problemResponse } from './problem.ts';
import { createRunnerView } from './runners/runner-view.ts';
import { createWorkflowClient } from './workflow-client.ts';

export interface Gateway {
  port: number;
}

export async function startGateway(config: GatewayConfig, lifetime: Lifetime, log: Logger): Promise<Gateway> {
  const operator = await loadOperatorConfig(config.operatorConfigPath);
  const box = await openSecretBox(config.secretsKeyFile);
  const registry = createMetrics('gateway');
  const readiness = createReadiness();
  readiness.add('nats', () => Promise.reject(new Error('not reached yet')));

  const health = new OpenAPIHono();
  addHealthRoutes(health, { readiness, metrics: registry });
  const server = await startHttpServer(
    { host: config.host, port: config.port, starting: (request) => answerWhileStarting(health, request) },
    lifetime,
  );
  log.info({ port: server.port }, 'listening');

  const nats = await connectNats(config.nats, 'gateway', lifetime, log);
  const jsm = await untilAnswered(lifetime, log, () => jetstreamManager(nats, { checkAPI: false }));
  const temporal = await connectTemporalClient(config.temporal, lifetime);
  const trace = createTraceClient(config.traceStoreUrl, config.internalToken, callTimeoutsMs.traceStore);
  const workflows = createWorkflowClient(temporal);
  const runners = createRunnerView(jsm);
  const opened = await untilAnswered(lifetime, log, () => openBuckets(nats));

  readiness.add('nats', () => nats.flush());
  readiness.add('temporal', () => workflows.checkServer());
  readiness.add('trace-store', () => checkTraceStore(config.traceStoreUrl));
  readiness.add('orchestrator', () => workflows.checkWorker());
  readiness.add('sandbox-runner', () => runners.check());

  const app = createGatewayApp({
    settings: {
      operator,
      partitions: config.partitions,
      operatorToken: config.operatorToken,
      roots: {
        allowed: [...config.repositoryRoots, ...operator.repositoryRoots],
        stateDirectory: config.stateDirectory,
      },
    },
    parts: { nats, js: jetstream(nats), jsm, workflows, trace, runners, box, ...opened },
    health: { readiness, metrics: registry },
    httpMetrics: createHttpMetrics(registry),
    stopping: lifetime.signal,
    log,
  });
  server.use((request) => app.fetch(request));
  return { port: server.port };
}

function answerWhileStarting(health: OpenAPIHono, request: Request): Response | Promise<Response> {
  const { pathname } = new URL(request.url);
  if (['/healthz', '/readyz', '/metrics'].includes(pathname)) return health.fetch(request);
  return problemResponse(unavailable('nats', 'the gateway has not reached it yet'), requestIdOf(request.headers));
}

export interface GatewayBuckets {
  configuration: KV;
  sessions: KV;
  trials: KV;
  idempotency: KV;
}

async function openBuckets(nats: NatsConnection): Promise<GatewayBuckets> {
  return {
    configuration: await openBucket(nats, buckets.configuration),
    sessions: await openBucket(nats, buckets.sessions),
    trials: await openBucket(nats, buckets.trials),
    idempotency: await openBucket(nats, buckets.idempotency, { ttlMs: idempotencyTtlMs }),
  };
}

const startRetryMs = 500;

/** The services of a cluster start in any order: what does not answer yet is asked again until the service stops. */
async function untilAnswered<T>(lifetime: Lifetime, log: Logger, ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (lifetime.signal.aborted) throw error;
      log.warn({ reason: (error as Error).message }, 'waiting for NATS');
      await new Promise((resolve) => setTimeout(resolve, startRetryMs));
    }
  }
}

async function checkTraceStore(url: string): Promise<void> {
  const response = await fetch(new URL('/readyz', url), { signal: AbortSignal.timeout(1_900) });
  if (response.ok) return;
  throw new Error(`its /readyz answers ${response.status}: ${(await response.text()).slice(0, 300)}`);
}
