/** A supervisor that is killed in the moment in which it has started a process and has not recorded it yet; for a test. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSupervisedProcess } from '../src/supervised-process.ts';

const directory = process.argv[2] as string;

const supervised = createSupervisedProcess(
  {
    name: 'nats',
    program: 'sh',
    args: ['-c', `echo ran > ${join(directory, 'ran')}; exec sleep 600`],
    env: process.env,
    cwd: directory,
    logPath: join(directory, 'log'),
    isReady: async () => false,
    readyTimeoutMs: 60_000,
    stopTimeoutMs: 1_000,
  },
  () => undefined,
  async (_, identity) => {
    writeFileSync(join(directory, 'spawned'), JSON.stringify(identity));
    process.kill(process.pid, 'SIGKILL');
    await new Promise(() => undefined);
  },
);
await supervised.start();
