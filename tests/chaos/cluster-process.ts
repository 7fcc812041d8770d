// A cluster as a process that can be killed: `npm start` without its terminal. Options come as JSON; "up" on standard output says
// that it answers. SIGTERM stops it.

import { type ClusterOptions, startCluster } from '../../deploy/local/src/cluster.ts';

export type ClusterProcessOptions = Pick<
  ClusterOptions,
  'stateDirectory' | 'repositoryRoots' | 'toolsDirectory' | 'env' | 'serviceEntries'
>;

if (import.meta.main) {
  const options = JSON.parse(process.argv[2]!) as ClusterProcessOptions;
  const stopping = new AbortController();
  process.on('SIGTERM', () => stopping.abort());
  const cluster = await startCluster(options, stopping.signal);
  process.stdout.write('up\n');
  if (!stopping.signal.aborted) {
    const alive = setInterval(() => undefined, 60_000);
    await new Promise((resolve) => stopping.signal.addEventListener('abort', resolve));
    clearInterval(alive);
  }
  await cluster.stop();
}
