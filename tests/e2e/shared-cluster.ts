// One cluster for all end-to-end files that do not stop it: started before the first, stopped after the last.

import { mkdir, readFile } from 'node:fs/promises';
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
    /** Where a git server of a test keeps its certificate: the cluster trusts it. */
    certificates: string;
    stateDirectory: string;
    operatorToken: string;
  }
}

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const scratch = await makeScratch('e2e');
  const repositoryRoot = join(scratch.path, 'repositories');
  const certificates = join(scratch.path, 'certificates');
  await mkdir(certificates);
  const cluster = await startCluster({
    stateDirectory: join(scratch.path, 'state'),
    repositoryRoots: [repositoryRoot],
    env: { GIT_SSL_CAINFO: join(certificates, 'git-server.crt') },
    onProgress: () => undefined,
  });
  project.provide('apiUrl', cluster.connection.apiUrl);
  project.provide('apiKey', cluster.connection.apiKey);
  project.provide('dockerSocket', cluster.connection.dockerSocket);
  project.provide('repositoryRoot', repositoryRoot);
  project.provide('certificates', certificates);
  project.provide('stateDirectory', cluster.state.root);
  project.provide('operatorToken', (await readFile(join(cluster.state.secrets, 'operator-token'), 'utf8')).trim());
  return async () => {
    await cluster.stop();
    await scratch.remove();
  };
}
