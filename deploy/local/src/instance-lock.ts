/**
 * At most one supervisor per state directory.
 *
 * The lock is an abstract Unix socket named after the directory: the kernel gives it to one process at a time and takes it back the
 * moment that process ends, however it ends. There is nothing to clean up and no moment in which two hold it.
 */
import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:net';

export interface InstanceLock {
  release(): Promise<void>;
}

/** Null when another process holds the lock. */
export async function acquireInstanceLock(stateDirectory: string): Promise<InstanceLock | null> {
  const hash = createHash('sha256').update(stateDirectory).digest('hex').slice(0, 32);
  return await holdName(`worktrail-state-${hash}`);
}

/** Holds a name that is unique on this machine until it is released or this process ends; null when it is held. */
export function holdName(name: string): Promise<InstanceLock | null> {
  return new Promise((resolve, reject) => {
    const server = createServer((connection) => connection.destroy());
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(null);
      else reject(error);
    });
    server.listen({ path: `\0${name}` }, () => {
      server.unref();
      resolve({ release: () => close(server) });
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
