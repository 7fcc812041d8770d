// The HTTP server of a service that has no public API: /healthz, /readyz, /metrics, and what `routes` takes before them.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Lifetime } from './lifetime.ts';
import type { Metrics } from './metrics.ts';
import type { Readiness } from './readiness.ts';

export interface HealthServerOptions {
  host: string;
  /** 0: a free one. */
  port: number;
  readiness: Readiness;
  metrics: Metrics;
  /** Returns true when it has taken the request. */
  routes?: (request: IncomingMessage, response: ServerResponse) => boolean;
}

export async function startHealthServer(options: HealthServerOptions, lifetime: Lifetime): Promise<{ port: number }> {
  const server = createServer((request, response) => {
    if (options.routes?.(request, response)) return;
    answer(options, request, response).catch((error: unknown) => {
      if (!response.headersSent) response.writeHead(500);
      response.end(String((error as Error).message));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  lifetime.onClose('http server', async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeIdleConnections();
    setTimeout(() => server.closeAllConnections(), 1_000).unref();
    await closed;
  });
  return { port: (server.address() as AddressInfo).port };
}

async function answer(options: HealthServerOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  switch (request.url?.split('?')[0]) {
    case '/healthz':
      return send(response, 200, 'application/json', JSON.stringify({ status: 'ok' }));
    case '/readyz': {
      const report = await options.readiness.report();
      return send(response, report.ready ? 200 : 503, 'application/json', JSON.stringify(report));
    }
    case '/metrics':
      return send(response, 200, options.metrics.contentType, await options.metrics.metrics());
    default:
      return send(response, 404, 'text/plain', 'not found');
  }
}

function send(response: ServerResponse, status: number, contentType: string, body: string): void {
  response.writeHead(status, { 'content-type': contentType, 'cache-control': 'no-store' });
  response.end(body);
}
