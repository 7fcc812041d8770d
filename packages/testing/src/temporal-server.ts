// A real Temporal dev server with the settings of the embedded cluster, for one test file.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { freePort, type ServerProcess, startProcess } from './server-process.ts';
import { toolPath } from './tool-paths.ts';

export interface TemporalServer {
  readonly address: string;
  stop(): Promise<void>;
  kill(): Promise<void>;
  restart(): Promise<void>;
}

const settings = [
  'history.transferProcessorMaxPollRPS=5000',
  'history.timerProcessorMaxPollRPS=5000',
  'history.visibilityProcessorMaxPollRPS=500',
];

export async function startTemporalServer(directory: string): Promise<TemporalServer> {
  await mkdir(directory, { recursive: true });
  const port = await freePort();
  const address = `127.0.0.1:${port}`;
  const args = [
    ...['server', 'start-dev', '--headless', '--ip', '127.0.0.1', '--port', String(port)],
    ...['--db-filename', join(directory, 'temporal.db'), '--log-level', 'warn'],
    ...settings.flatMap((setting) => ['--dynamic-config-value', setting]),
    ...['--sqlite-pragma', 'journal_mode=WAL', '--sqlite-pragma', 'synchronous=NORMAL'],
  ];
  const start = () =>
    startProcess(toolPath('WORKTRAIL_TEMPORAL_BIN'), args, {
      logPath: join(directory, 'temporal.log'),
      ready: () => answersDescribe(address),
    });
  let server: ServerProcess = await start();
  return {
    address,
    stop: () => server.stop(),
    kill: () => server.kill(),
    restart: async () => {
      await server.stop();
      server = await start();
    },
  };
}

async function answersDescribe(address: string): Promise<boolean> {
  const connection = Connection.lazy({ address });
  try {
    await connection.withDeadline(Date.now() + 1_000, () =>
      connection.workflowService.describeNamespace({ namespace: 'default' }),
    );
    return true;
  } catch {
    return false;
  } finally {
    await connection.close();
  }
}
