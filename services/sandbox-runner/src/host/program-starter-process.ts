// The process of program-starter.ts. It stays as small as a process of Node can be: it imports hardly anything.

import { type ChildProcess, spawn } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { callGitAsChild } from './git-call.ts';
import type { CallRequest, FromStarter, StartRequest, ToStarter } from './program-starter.ts';

const programs = new Map<number, ChildProcess | 'starting'>();
const calls = new Map<number, AbortController>();
const tell = (message: FromStarter) =>
  process.connected && process.send?.(message, undefined, undefined, () => undefined);

process.on('message', (message: ToStarter) => {
  if (message.type === 'start') void start(message);
  else if (message.type === 'call') void call(message);
  else kill(message.id);
});
process.on('disconnect', () => {
  for (const id of [...programs.keys(), ...calls.keys()]) kill(id);
  process.exit();
});
// It ends with the process that has started it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => undefined);

async function call({ id, ...asked }: CallRequest): Promise<void> {
  const stop = new AbortController();
  calls.set(id, stop);
  try {
    tell({ type: 'answered', id, text: await callGitAsChild(asked, stop.signal) });
  } catch (error) {
    tell({ type: 'failed', id, message: (error as Error).message });
  } finally {
    calls.delete(id);
  }
}

function kill(id: number): void {
  calls.get(id)?.abort(new Error('it was stopped'));
  const program = programs.get(id);
  programs.delete(id);
  if (program === 'starting') tell({ type: 'failed', id, message: 'the program was killed before it was started' });
  else program?.kill('SIGKILL');
}

async function start({ id, socketPath, file, args, env, cwd, stdin }: StartRequest): Promise<void> {
  programs.set(id, 'starting');
  const names = [...(stdin ? ['stdin'] : []), 'stdout', 'stderr'];
  const sockets: Socket[] = [];
  const close = () => sockets.forEach((socket) => socket.destroy());
  const fail = (error: Error) => {
    programs.delete(id);
    tell({ type: 'failed', id, message: error.message });
  };
  try {
    await Promise.all(
      names.map(async (name) => {
        const socket = connect(socketPath);
        sockets.push(socket);
        // Its bytes are the program's.
        socket.pause();
        await greeted(socket, `${id} ${name}\n`);
      }),
    );
    if (!programs.has(id)) return;
    const streams = [...(stdin ? [] : ['ignore' as const]), ...sockets];
    const child = spawn(file, args, { env, ...(cwd !== undefined && { cwd }), stdio: streams });
    programs.set(id, child);
    child.on('error', fail);
    child.on('exit', (code) => {
      programs.delete(id);
      tell({ type: 'ended', id, code });
    });
  } catch (error) {
    fail(error as Error);
  } finally {
    close();
  }
}

function greeted(socket: Socket, greeting: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.write(greeting, (error) => (error ? reject(error) : resolve()));
  });
}
