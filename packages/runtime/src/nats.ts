// One connection to NATS that reconnects for as long as the service lives.

import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { NatsConfig } from './environment.ts';
import type { Lifetime } from './lifetime.ts';
import type { Logger } from './log.ts';
import { keepRequestsShort } from './nats-requests.ts';

/** Waits for the server at start too: services may start in any order. */
export async function connectNats(
  config: NatsConfig,
  name: string,
  lifetime: Lifetime,
  log: Logger,
): Promise<NatsConnection> {
  const connection = await connect({
    servers: config.url,
    ...(config.user && { user: config.user, pass: config.password }),
    name,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    reconnectJitter: 100,
    waitOnFirstConnect: true,
    pingInterval: 5_000,
    maxPingOut: 2,
    ignoreAuthErrorAbort: true,
    // An error object for each request, in case it fails, is the largest cost of a request.
    noAsyncTraces: true,
  });
  keepRequestsShort(connection);
  lifetime.onClose('nats', async () => {
    // Draining needs the server; where it is away, closing must do.
    await Promise.race([connection.drain(), new Promise((resolve) => setTimeout(resolve, 2_000))]);
    await connection.close();
  });
  void logStatus(connection, log);
  return connection;
}

async function logStatus(connection: NatsConnection, log: Logger): Promise<void> {
  for await (const status of connection.status()) {
    if (status.type === 'disconnect' || status.type === 'reconnect') log.warn({ nats: status.type }, 'nats connection');
    else if (status.type === 'error' || status.type === 'slowConsumer') log.error({ nats: status }, 'nats connection');
  }
}
