// A second sandbox-runner beside the cluster's own, as on another host: the same environment, a data directory and a port of its own,
// the same container engine.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, type ServerProcess, startProcess } from '@worktrail/testing/server-process';

const root = join(import.meta.dirname, '../..');

export interface SecondRunner {
  readonly id: string;
  /** For good, unless it is started again. */
  kill(): Promise<void>;
  /** Again on its own data directory. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

export async function startSecondRunner(
  stateDirectory: string,
  dataDirectory: string,
  settings: NodeJS.ProcessEnv = {},
): Promise<SecondRunner> {
  const { pids } = JSON.parse(await readFile(join(stateDirectory, 'connection.json'), 'utf8'));
  const entries = (await readFile(`/proc/${pids.sandboxRunner}/environ`, 'utf8')).split('\0').filter(Boolean);
  const env = Object.fromEntries(entries.map((entry) => /^([^=]*)=(.*)$/s.exec(entry)!.slice(1)));
  let running: ServerProcess | undefined;
  const start = async () => {
    const port = await freePort();
    running = await startProcess(process.execPath, [join(root, 'services/sandbox-runner/src/main.ts')], {
      logPath: `${dataDirectory}.log`,
      env: { ...env, ...settings, WORKTRAIL_RUNNER_DATA: dataDirectory, WORKTRAIL_PORT: String(port) },
      ready: () =>
        fetch(`http://127.0.0.1:${port}/readyz`).then(
          ({ ok }) => ok,
          () => false,
        ),
    });
  };
  await start();
  const id = (await readFile(join(dataDirectory, 'runner-id'), 'utf8')).trim();
  const end = async (how: 'kill' | 'stop') => {
    await running?.[how]();
    running = undefined;
  };
  return { id, start, kill: () => end('kill'), stop: () => end('stop') };
}
