// Four kinds of tests: unit (no servers), integration (one service's own real servers), e2e (the whole cluster) and faults (clusters
// of their own whose parts are killed, drained or flooded).
//
// Integration and e2e tests run beside each other: they wait more than they compute. The faults come last, because what they promise
// has a time limit, which a machine that is busy with other tests would not keep.

import { defineConfig } from 'vitest/config';

const exclude = ['**/node_modules/**', '**/.worktrail*/**'];
const timed = ['tests/e2e/fairness.test.ts', 'tests/e2e/hostile-repository.test.ts', 'tests/e2e/runners.test.ts'];
/** Of what those of the whole cluster share. */
const helpers = 'tests/e2e/api.test.ts';

/** What is waited for comes when the machine has time for it: these bound what never comes. A test of a time limit measures it itself. */
const patience = { expect: { poll: { timeout: 60_000, interval: 20 } }, testTimeout: 300_000, hookTimeout: 300_000 };

export default defineConfig({
  test: {
    reporters: ['default'],
    projects: [
      {
        test: {
          name: 'unit',
          include: ['{packages,services,deploy}/**/*.test.ts', 'tests/{bench,chaos}/**/*.test.ts', helpers],
          exclude: [...exclude, '**/*.{integration,e2e}.test.ts'],
          ...{ expect: patience.expect, testTimeout: 60_000, hookTimeout: 60_000 },
          // Pure: the modules are loaded once for all files of a worker, which is most of the time.
          isolate: false,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'integration',
          include: ['{packages,services,deploy}/**/*.integration.test.ts'],
          exclude,
          ...patience,
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'e2e',
          globalSetup: ['tests/e2e/shared-cluster.ts'],
          include: ['tests/e2e/**/*.test.ts'],
          exclude: [...exclude, ...timed, helpers],
          ...patience,
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'faults',
          include: ['tests/chaos/**/*.e2e.test.ts', ...timed],
          ...patience,
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
