// A real server as a child process: started on a free port, ready by its own endpoint, ended with the test.

import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { createServer, connect as connectTcp } from 'node:net';

export interface ServerProcess {
  readonly pid: number;
  /** SIGTERM, after 30 s SIGKILL; resolves when the process has gone. */
  stop(): Promise<void>;
  /** As a crash would: SIGKILL, resolves when the process has gone. */
  kill(): Promise<void>;
}

export async function startProcess(
  program: string,
  args: readonly string[],
  options: { logPath: string; ready: () => Promise<boolean>; env?: NodeJS.ProcessEnv; readyTimeoutMs?: number },
): Promise<ServerProcess> {
  const log = openSync(options.logPath, 'a');
  const child = spawn(program, args, { stdio: ['ignore', log, log], env: options.env ?? process.env });
  await once(child, 'spawn');
  const gone = once(child, 'exit');
  await waitUntilReady(child, program, options);
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    const force = setTimeout(() => child.kill('SIGKILL'), 30_000);
    await gone;
    clearTimeout(force);
  };
  return { pid: child.pid!, stop: () => end('SIGTERM'), kill: () => end('SIGKILL') };
}

async function waitUntilReady(
  child: ChildProcess,
  program: string,
  options: { logPath: string; ready: () => Promise<boolean>; readyTimeoutMs?: number },
): Promise<void> {
  const deadline = Date.now() + (options.readyTimeoutMs ?? 120_000);
  while (!(await options.ready())) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`${program} ended while starting: see ${options.logPath}`);
    }
    if (Date.now() > deadline) {
      child.kill('SIGKILL');
      throw new Error(`${program} is not ready: see ${options.logPath}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** From below the ports that the kernel gives to connections, and those of clusters: nobody takes it before its server does. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(10_000, 20_000);
    const server = createServer().listen(port, '127.0.0.1');
    try {
      await once(server, 'listening');
    } catch {
      continue;
    }
    server.close();
    await once(server, 'close');
    return port;
  }
}

/** Whether something accepts connections there. */
export function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTcp({ port, host: '127.0.0.1' });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
