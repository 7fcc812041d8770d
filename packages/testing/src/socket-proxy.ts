// A Unix socket in front of another one: what is behind it can be made to refuse, to hang, and to answer again, for those who come
// through the proxy only.

import { rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';

export interface SocketProxy {
  readonly path: string;
  /** Breaks every connection and takes no new one, as a killed server would. */
  refuse(): Promise<void>;
  /** Takes connections and passes nothing on, as a stopped process would. */
  hang(): Promise<void>;
  /** What hung is passed on, and new connections are taken. */
  pass(): Promise<void>;
  close(): Promise<void>;
}

export async function startSocketProxy(path: string, target: string): Promise<SocketProxy> {
  const sockets = new Set<Socket>();
  let server: Server | undefined;
  let hanging = false;

  function track(socket: Socket): Socket {
    sockets.add(socket);
    if (hanging) socket.pause();
    return socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket));
  }
  async function listen(): Promise<void> {
    const listening = createServer({ allowHalfOpen: true }, (near) => {
      const far = track(connect({ path: target, allowHalfOpen: true }));
      track(near).pipe(far).pipe(near);
      if (hanging) for (const socket of [near, far]) socket.pause();
      near.on('close', () => far.destroy());
      far.on('close', () => near.destroy());
    });
    await new Promise<void>((resolve, reject) => listening.once('error', reject).listen(path, resolve));
    server = listening;
  }
  async function refuse(): Promise<void> {
    const closed = new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
    server = undefined;
    for (const socket of sockets) socket.destroy();
    await closed;
    await rm(path, { force: true });
  }
  async function setHanging(value: boolean): Promise<void> {
    hanging = value;
    for (const socket of sockets) {
      if (value) socket.pause();
      else socket.resume();
    }
    if (!server) await listen();
  }

  await listen();
  return { path, refuse, hang: () => setHanging(true), pass: () => setHanging(false), close: refuse };
}
