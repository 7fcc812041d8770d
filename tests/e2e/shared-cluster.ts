// One cluster for all end-to-end files that leave it as it was: started before the first, stopped after the last.

import type { TestProject } from 'vitest/node';
import { startTestCluster, type TestCluster } from './test-cluster.ts';

declare module 'vitest' {
  interface ProvidedContext extends TestCluster {}
}

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { stop, processes: _, ...cluster } = await startTestCluster('e2e');
  for (const name of Object.keys(cluster) as (keyof TestCluster)[]) project.provide(name, cluster[name]);
  return stop;
}
