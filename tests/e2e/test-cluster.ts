// A whole cluster of a test's own, with an API to it. The tests that leave theirs as it was share one (shared-cluster.ts).

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeScratch } from '@worktrail/testing/scratch';
import { type Cluster, startCluster } from '../../deploy/local/src/cluster.ts';

export interface TestCluster {
  apiUrl: string;
  apiKey: string;
  dockerSocket: string;
  /** A directory below which local repositories are allowed. */
  repositoryRoot: string;
  stateDirectory: string;
  operatorToken: string;
}

export interface RunningTestCluster extends TestCluster {
  processes: Pick<Cluster, 'kill' | 'whenReady'>;
  /** Everything of it is gone. */
  stop(): Promise<void>;
}

export async function startTestCluster(name: string, env: NodeJS.ProcessEnv = {}): Promise<RunningTestCluster> {
  const scratch = await makeScratch(name);
  const repositoryRoot = join(scratch.path, 'repositories');
  const { connection, state, kill, whenReady, stop } = await startCluster({
    env,
    stateDirectory: join(scratch.path, 'state'),
    repositoryRoots: [repositoryRoot],
    onProgress: () => undefined,
  });
  const { apiUrl, apiKey, dockerSocket } = connection;
  return {
    apiUrl,
    apiKey,
    dockerSocket,
    repositoryRoot,
    stateDirectory: state.root,
    operatorToken: (await readFile(join(state.secrets, 'operator-token'), 'utf8')).trim(),
    processes: { kill, whenReady },
    stop: async () => {
      await stop();
      await scratch.remove();
    },
  };
}
