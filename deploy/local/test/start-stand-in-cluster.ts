/** A cluster with real servers and stand-in services, for the supervisor's own tests; also run as a process that can be killed. */
import { join } from 'node:path';
import { type Cluster, type ClusterOptions, startCluster } from '../src/cluster.ts';

const standIn = join(import.meta.dirname, 'stand-in-service.mjs');

export function startStandInCluster(stateDirectory: string, options: Partial<ClusterOptions> = {}): Promise<Cluster> {
  return startCluster({
    stateDirectory,
    ...options,
    env: { WORKTRAIL_SUPERVISOR: process.execPath, ...options.env },
    serviceEntries: {
      'trace-store': standIn,
      orchestrator: standIn,
      'sandbox-runner': standIn,
      gateway: standIn,
      ...options.serviceEntries,
    },
  });
}

if (import.meta.main) {
  const cluster = await startStandInCluster(process.argv[2] as string);
  process.stdout.write(`up ${JSON.stringify(cluster.connection.pids)}\n`);
  process.on('SIGTERM', () => void cluster.stop());
  setInterval(() => undefined, 60_000).unref();
  await new Promise(() => setInterval(() => undefined, 60_000));
}
