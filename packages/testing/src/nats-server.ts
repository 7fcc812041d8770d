// A real nats-server with JetStream for one test file. `kill` and `restart` keep its port and its store.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { accepts, freePort, type ServerProcess, startProcess } from './server-process.ts';
import { toolPath } from './tool-paths.ts';

export interface NatsServer {
  readonly url: string;
  readonly port: number;
  stop(): Promise<void>;
  kill(): Promise<void>;
  /** Starts it again on the same port and store. */
  restart(): Promise<void>;
}

/** `syncInterval`: what is published is on the disk at once, or within so long. */
export async function startNatsServer(directory: string, syncInterval = 'always'): Promise<NatsServer> {
  await mkdir(directory, { recursive: true });
  const port = await freePort();
  const configPath = join(directory, 'nats.conf');
  await writeFile(
    configPath,
    `listen: 127.0.0.1:${port}\njetstream { store_dir: ${JSON.stringify(join(directory, 'store'))}, sync_interval: ${syncInterval} }\n`,
  );
  const start = () =>
    startProcess(toolPath('WORKTRAIL_NATS_SERVER_BIN'), ['-c', configPath], {
      logPath: join(directory, 'nats.log'),
      ready: () => accepts(port),
    });
  let server: ServerProcess = await start();
  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    stop: () => server.stop(),
    kill: () => server.kill(),
    restart: async () => {
      await server.stop();
      server = await start();
    },
  };
}
