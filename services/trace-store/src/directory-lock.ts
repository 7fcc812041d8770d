// One trace-store on one ClickHouse directory: the second is told so before it touches anything.
//
// A socket in Linux' abstract namespace, named by the directory's device and inode: the kernel gives it to one process and takes it
// back when that dies, however it dies. Elsewhere, and across containers that share a directory, the engine's own lock refuses.

import { mkdir, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Lifetime } from '@worktrail/runtime/lifetime';

/** @throws when another process has it. */
export async function lockDirectory(path: string, lifetime: Lifetime): Promise<void> {
  await mkdir(path, { recursive: true });
  if (process.platform !== 'linux') return;
  const { dev, ino } = await stat(path);
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const isTaken = error.code === 'EADDRINUSE';
      const text = `another trace-store may be running on it: ${path} belongs to one process at a time`;
      reject(isTaken ? new Error(text, { cause: error }) : error);
    });
    server.listen(`\0worktrail-trace-store-${dev}-${ino}`, resolve);
  });
  lifetime.onClose('directory lock', () => new Promise((resolve) => server.close(resolve)));
}
