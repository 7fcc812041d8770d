// The trace-store's process: environment, signals, exit.

import { runService } from '@worktrail/runtime/main';
import { traceStoreConfig } from './config.ts';
import { startTraceStore } from './trace-store.ts';

await runService('trace-store', (environment, lifetime, log) =>
  startTraceStore(traceStoreConfig(environment), lifetime, log),
);
