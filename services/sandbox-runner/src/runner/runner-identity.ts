// Who a runner is: the same over restarts, by its data directory, and never two at the same time on one directory.

import { randomBytes } from 'node:crypto';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Lifetime } from '@worktrail/runtime/lifetime';

/** Safe in subjects, queue names and labels. */
const runnerIdPattern = /^run-[0-9a-f]{16}$/;

export async function openRunnerIdentity(dataDirectory: string, lifetime: Lifetime): Promise<string> {
  await mkdir(dataDirectory, { recursive: true, mode: 0o700 });
  await lock(dataDirectory, lifetime);
  const path = join(dataDirectory, 'runner-id');
  const known = (await readFile(path, 'utf8').catch(() => '')).trim();
  if (runnerIdPattern.test(known)) return known;
  const fresh = `run-${randomBytes(8).toString('hex')}`;
  await writeFile(path, `${fresh}\n`, { mode: 0o600 });
  return fresh;
}

/**
 * A socket in Linux' abstract namespace, named by the directory's device and inode: the kernel gives it to one process and takes it
 * back when that dies, however it dies.
 */
async function lock(dataDirectory: string, lifetime: Lifetime): Promise<void> {
  const { dev, ino } = await stat(dataDirectory);
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE';
      reject(
        taken
          ? new Error(`another sandbox-runner uses ${dataDirectory}: stop it, or give this one its own directory`)
          : error,
      );
    });
    server.listen(`\0worktrail-runner-${dev}-${ino}`, resolve);
  });
  lifetime.onClose('runner lock', () => new Promise((resolve) => server.close(resolve)));
}
