// What every service's main.ts does: read the environment, listen to signals, exit. Exit code 0 after a stop that was asked
// for, 1 after a start that failed or when a part it cannot do without has ended.

import { ConfigurationError } from './environment.ts';
import { createLifetime, type Lifetime } from './lifetime.ts';
import { createLogger, type Logger } from './log.ts';

export async function runService(
  service: string,
  start: (environment: NodeJS.ProcessEnv, lifetime: Lifetime, log: Logger) => Promise<unknown>,
): Promise<void> {
  const log = createLogger({ service, level: process.env['WORKTRAIL_LOG_LEVEL'] ?? 'info' });
  const lifetime = createLifetime(log);
  process.on('unhandledRejection', (error) => log.error({ err: error }, 'unhandled rejection'));
  const stop = (signal: NodeJS.Signals) => {
    log.info({ signal }, 'stopping');
    void lifetime.close().then(() => process.exit(0));
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  const exitWithFailure = async () => {
    await lifetime.close();
    process.exit(1);
  };
  void lifetime.failed.then((error) => {
    if (lifetime.signal.aborted) return;
    log.fatal({ err: error }, 'stopping: a part of this service has ended');
    return exitWithFailure();
  });
  try {
    await start(process.env, lifetime, log);
    log.info('started');
  } catch (error) {
    if (error instanceof ConfigurationError) log.fatal(error.message);
    else log.fatal({ err: error }, 'could not start');
    await exitWithFailure();
  }
}
