// The trace-store's process: environment, signals, exit.

import { setFlagsFromString } from 'node:v8';
import { runService } from '@worktrail/runtime/main';
import { traceStoreConfig } from './config.ts';
import { startTraceStore } from './trace-store.ts';

// What it holds is small beside what passes through it, in buffers that are garbage a moment later: by its own measure V8 looks through
// everything at each ninth page, and that page waits for it. The heap may grow to three times what is in use first.
setFlagsFromString('--heap-growing-percent=200');

await runService('trace-store', (environment, lifetime, log) =>
  startTraceStore(traceStoreConfig(environment), lifetime, log),
);
