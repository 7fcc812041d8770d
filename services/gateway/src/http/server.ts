// The HTTP server: listens before the rest of the service is there, and until then answers 503 to all but /healthz.

import type { AddressInfo } from 'node:net';
import type { Server } from 'node:http';
import { serve } from '@hono/node-server';
import type { Lifetime } from '@worktrail/runtime/lifetime';
import { answerUnreadableRequests } from './unreadable-request.ts';

export type Fetch = (request: Request) => Response | Promise<Response>;

export interface HttpServer {
  port: number;
  /** From now on requests are answered by this. */
  use(fetch: Fetch): void;
}

/** How long open answers may go on once the service stops. */
const closeGraceMs = 1_000;
/** Clients that come back within it need no new connection. */
const keepAliveMs = 65_000;

export async function startHttpServer(
  options: { host: string; port: number; starting: Fetch },
  lifetime: Lifetime,
): Promise<HttpServer> {
  let current = options.starting;
  const server = await new Promise<Server>((resolve, reject) => {
    const listening = serve(
      {
        fetch: (request) => current(request),
        hostname: options.host,
        port: options.port,
        serverOptions: { keepAliveTimeout: keepAliveMs },
      },
      () => resolve(listening as Server),
    );
    listening.once('error', reject);
  });
  answerUnreadableRequests(server);
  lifetime.onClose('http server', async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeIdleConnections();
    setTimeout(() => server.closeAllConnections(), closeGraceMs).unref();
    await closed;
  });
  return {
    port: (server.address() as AddressInfo).port,
    use: (fetch) => {
      current = fetch;
    },
  };
}
