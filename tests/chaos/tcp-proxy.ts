// A TCP port in front of another one, for one user of it: its connections can be cut and refused until they are mended.

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface TcpProxy {
  readonly port: number;
  /** Breaks every connection, and each new one at once. */
  cut(): void;
  mend(): void;
  /** Breaks every connection that is open now. */
  drop(): void;
  close(): Promise<void>;
}

export interface Address {
  host: string;
  port: number;
}

/** `findTarget` is asked for each connection; where it knows none the connection is broken. */
export async function startTcpProxy(findTarget: () => Promise<Address | null>): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let isCut = false;

  function track(socket: Socket): Socket {
    sockets.add(socket);
    socket.setNoDelay(true);
    return socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket));
  }
  async function pass(near: Socket): Promise<void> {
    const target = isCut ? null : await findTarget().catch(() => null);
    if (target === null || isCut || near.destroyed) return void near.destroy();
    const far = track(connect({ ...target, allowHalfOpen: true }));
    near.pipe(far).pipe(near);
    near.on('close', () => far.destroy());
    far.on('close', () => near.destroy());
  }
  const server = createServer({ allowHalfOpen: true }, (near) => void pass(track(near)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const drop = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    cut() {
      isCut = true;
      drop();
    },
    drop,
    mend() {
      isCut = false;
    },
    async close() {
      isCut = true;
      drop();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
