// The gateway: the public HTTP API over Temporal, NATS and the trace-store. It decides nothing about a session's life.
//
// 1. It listens at once; until its parts were reached for the first time, everything but /healthz is 503.
// 2. A part that is away later is 503 for what needs it, by name, within 5 s; the process goes on.

import { OpenAPIHono } from '@hono/zod-openapi';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { Lifetime } from '@worktrail/runtime/lifetime';
import type { Logger } from '@worktrail/runtime/log';
import { createMetrics } from '@worktrail/runtime/metrics';
import { connectNats } from '@worktrail/runtime/nats';
import { askHealth } from '@worktrail/runtime/part-health';
import { createReadiness } from '@worktrail/runtime/readiness';
import { openSecretBox } from '@worktrail/runtime/secret-box';
import { connectTemporalClient } from '@worktrail/runtime/temporal';
import { createTraceClient } from '@worktrail/runtime/trace-client';
import type { GatewayConfig } from './config.ts';
import { callTimeoutsMs, unavailable } from './deadline.ts';
import { createGatewayApp } from './gateway-app.ts';
import { openGatewayBuckets } from './gateway-buckets.ts';
import { createHttpMetrics } from './http/http-metrics.ts';
import { addHealthRoutes } from './http/open-routes.ts';
import { requestIdOf } from './http/request-id.ts';
import { startHttpServer } from './http/server.ts';
import { problemResponse } from './problem.ts';
import { createRunnerRequests } from './runners/runner-requests.ts';
import { createRunnerView } from './runners/runner-view.ts';
import { createWorkflowClient } from './workflow-client.ts';

export interface Gateway {
  port: number;
}

export async function startGateway(config: GatewayConfig, lifetime: Lifetime, log: Logger): Promise<Gateway> {
  const box = await openSecretBox(config.secretsKey);
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
  const workflows = createWorkflowClient(temporal, () => askHealth(nats, 'orchestrator'));
  const runners = createRunnerView(jsm);
  const runnerRequests = createRunnerRequests(runners, config.internalToken);
  const opened = await untilAnswered(lifetime, log, () => openGatewayBuckets(nats));

  readiness.add('nats', () => nats.flush());
  readiness.add('temporal', () => workflows.checkServer());
  readiness.add('trace-store', () => checkTraceStore(config.traceStoreUrl));
  for (const part of ['orchestrator', 'sandbox-runner', 'docker'] as const) {
    readiness.add(part, () => askHealth(nats, part));
  }

  const app = createGatewayApp({
    settings: {
      operator: config.operator.values,
      origins: config.operator.origins,
      partitions: config.partitions,
      operatorToken: config.operatorToken,
      roots: {
        allowed: config.operator.values.repositoryRoots,
        stateDirectory: config.stateDirectory,
        // Whether one is fetched over ssh is for the runner that does it to say.
        ssh: true,
      },
    },
    parts: { nats, js: jetstream(nats), jsm, workflows, trace, runners, runnerRequests, box, ...opened },
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
