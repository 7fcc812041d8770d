// One cluster for all end-to-end files that do not stop it: started before the first, stopped after the last.

import { join } from 'node:path';
import { makeScratch } from '@worktrail/testing/scratch';
import type { TestProject } from 'vitest/node';
import { startCluster } from '../../deploy/local/src/cluster.ts';

declare module 'vitest' {
  interface ProvidedContext {
    apiUrl: string;
    apiKey: string;
    dockerSocket: string;
    /** A directory below which local repositories are allowed. */
    repositoryRoot: string;
    stateDirectory: string;
    operatorToken: string;
  }
}

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const scratch = await makeScratch('e2e');
  const repositoryRoot = join(scratch.path, 'repositories');
  const cluster = await startCluster({
    stateDirectory: join(scratch.path, 'state'),
    repositoryRoots: [repositoryRoot],
    onProgress: () => undefined,
  });
  const { readFile } = await import('node:fs/promises');
  project.provide('apiUrl', cluster.connection.apiUrl);
  project.provide('apiKey', cluster.connection.apiKey);
  project.provide('dockerSocket', cluster.connection.dockerSocket);
  project.provide('repositoryRoot', repositoryRoot);
  project.provide('stateDirectory', cluster.state.root);
  project.provide('operatorToken', (await readFile(join(cluster.state.secrets, 'operator-token'), 'utf8')).trim());
  return async () => {
    await cluster.stop();
    await scratch.remove();
  };
}
