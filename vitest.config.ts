// Four kinds of tests: unit (no servers), integration (one service's own real servers), e2e (the whole cluster) and faults (a cluster
// of its own whose parts are killed).
// Their order is kept, so that the cluster of the e2e tests has the machine to itself. One of them, which builds an image, goes beside the
// integration tests: both wait more than they compute.

import { defineConfig } from 'vitest/config';

const exclude = ['**/node_modules/**', '**/.worktrail*/**'];
const buildingTest = 'tests/e2e/packages.test.ts';

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
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'integration',
          include: ['{packages,services,deploy}/**/*.integration.test.ts'],
          exclude,
          testTimeout: 60_000,
          hookTimeout: 120_000,
          maxWorkers: 4,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'e2e-packages',
          globalSetup: ['tests/e2e/shared-cluster.ts'],
          include: [buildingTest],
          testTimeout: 120_000,
          hookTimeout: 180_000,
          maxWorkers: 4,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'e2e',
          globalSetup: ['tests/e2e/shared-cluster.ts'],
          include: ['tests/e2e/**/*.test.ts'],
          exclude: [...exclude, buildingTest],
          testTimeout: 120_000,
          hookTimeout: 180_000,
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: 'faults',
          include: ['tests/chaos/**/*.e2e.test.ts'],
          maxWorkers: 1,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
