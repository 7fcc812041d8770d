// Four kinds of tests: unit (no servers), integration (one service's own real servers), e2e (the whole cluster) and faults (clusters
// of their own whose parts are killed, drained or flooded).
//
// Integration and e2e tests run beside each other: they wait more than they compute. The faults come last, because what they promise
// has a time limit, which a machine that is busy with other tests would not keep.

import { defineConfig } from 'vitest/config';

const exclude = ['**/node_modules/**', '**/.worktrail*/**'];
const timed = ['tests/e2e/fairness.test.ts', 'tests/e2e/hostile-repository.test.ts', 'tests/e2e/runners.test.ts'];

/** What is waited for comes when the machine has time for it. */
const expect = { poll: { timeout: 20_000, interval: 20 } };

export default defineConfig({
  test: {
    reporters: ['default'],
    projects: [
      {
        test: {
          name: 'unit',
          include: ['{packages,services,deploy}/**/*.test.ts', 'tests/{bench,chaos}/**/*.test.ts'],
          exclude: [...exclude, '**/*.{integration,e2e}.test.ts'],
          testTimeout: 20_000,
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
          testTimeout: 120_000,
          expect,
          hookTimeout: 120_000,
          maxWorkers: 4,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'e2e',
          globalSetup: ['tests/e2e/shared-cluster.ts'],
          include: ['tests/e2e/**/*.test.ts'],
          exclude: [...exclude, ...timed],
          testTimeout: 120_000,
          expect,
          hookTimeout: 180_000,
          maxWorkers: 4,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'faults',
          include: ['tests/chaos/**/*.e2e.test.ts', ...timed],
          testTimeout: 120_000,
          expect,
          hookTimeout: 180_000,
          maxWorkers: 3,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
