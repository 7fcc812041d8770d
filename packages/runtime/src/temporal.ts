// Connections to Temporal and the running of workers.

import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, type Worker } from '@temporalio/worker';
import type { TemporalConfig } from './environment.ts';
import type { Lifetime } from './lifetime.ts';
import type { Logger } from './log.ts';

/** A client that connects at first use and again whenever the server was away. */
export async function connectTemporalClient(config: TemporalConfig, lifetime: Lifetime): Promise<Client> {
  const connection = Connection.lazy({ address: config.address });
  lifetime.onClose('temporal client', () => connection.close());
  return new Client({ connection, namespace: config.namespace });
}

/** The connection of workers. Waits for the server at start, as long as the service lives. */
export async function connectTemporalNative(
  config: TemporalConfig,
  lifetime: Lifetime,
  log: Logger,
): Promise<NativeConnection> {
  for (;;) {
    try {
      const connection = await NativeConnection.connect({ address: config.address });
      lifetime.onClose('temporal connection', () => connection.close());
      return connection;
    } catch (error) {
      if (lifetime.signal.aborted) throw error;
      log.warn({ address: config.address, reason: (error as Error).message }, 'waiting for Temporal');
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}

/** Sends the SDK's own log lines to ours. Once per process, before the first worker; again is a no-op. */
export function installTemporalRuntime(log: Logger): void {
  try {
    Runtime.install({
      shutdownSignals: [],
      logger: new DefaultLogger('WARN', ({ level, message, meta }) => {
        log[level === 'ERROR' ? 'error' : 'warn']({ temporal: meta?.['taskQueue'], err: meta?.['error'] }, message);
      }),
    });
  } catch (error) {
    if (!/already/i.test((error as Error).message)) throw error;
  }
}

/** Runs a worker until the lifetime closes. One that ends on its own ends the service. */
export function runWorker(worker: Worker, name: string, lifetime: Lifetime, log: Logger): void {
  const running = worker.run().then(
    () => {
      if (!lifetime.signal.aborted) lifetime.fail(new Error(`the ${name} worker has ended`));
    },
    (error: unknown) => {
      log.fatal({ err: error, worker: name }, 'the worker has ended');
      lifetime.fail(error instanceof Error ? error : new Error(String(error)));
    },
  );
  lifetime.onClose(`worker ${name}`, async () => {
    if (worker.getState() === 'RUNNING') worker.shutdown();
    await running;
  });
}
