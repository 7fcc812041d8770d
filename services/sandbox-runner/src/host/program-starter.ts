// Starts programs by a process of its own that does nothing else and stays small (program-starter-process.ts): this one is large, and a
// fork of it costs tens of milliseconds in which it does nothing else (program-start.ts).
//
// 1. A program's streams are sockets that it has itself at the other end: no byte goes through the process that started it.
// 2. When that process dies what runs is given up, and the next program begins with another one. When this one dies that one ends what it
//    has started, and itself.

import { type ChildProcess, fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import type { Lifetime } from '@worktrail/runtime/lifetime';
import type { CallGit, GitCall } from './git-call.ts';
import type { Program, StartedProgram, StartProgram } from './program-start.ts';
import { programEnvironment } from './program-environment.ts';

export interface StartRequest extends Program {
  type: 'start';
  id: number;
  socketPath: string;
}
export interface CallRequest extends GitCall {
  type: 'call';
  id: number;
}
export type ToStarter = StartRequest | CallRequest | { type: 'kill'; id: number };
export type FromStarter =
  | { type: 'ended'; id: number; code: number | null }
  | { type: 'answered'; id: number; text: string }
  | { type: 'failed'; id: number; message: string };

export interface ProgramStarter {
  start: StartProgram;
  callGit: CallGit;
}

/** The first line of each connection: "<id> <stream>". */
const greetingBytesMax = 64;

interface Running {
  streams: Record<'stdin' | 'stdout' | 'stderr', PassThrough>;
  sockets: Socket[];
  /** Of those that are still to end. */
  open: Set<string>;
  code: number | null | undefined;
  settle(error?: Error): void;
}

export async function openProgramStarter(lifetime: Pick<Lifetime, 'onClose'>): Promise<ProgramStarter> {
  const directory = await mkdtemp(join(tmpdir(), 'worktrail-run-'));
  const socketPath = join(directory, 's');
  const running = new Map<number, Running>();
  const calls = new Map<number, (answer: { text: string } | Error) => void>();
  const server = createServer((socket) => greet(socket, running));
  await listening(server, socketPath);
  let starter: ChildProcess | undefined;
  let lastId = 0;

  const giveUp = (gone: ChildProcess) => {
    if (starter !== gone) return;
    starter = undefined;
    const why = new Error('the process that starts programs has ended');
    for (const one of running.values()) one.settle(why);
    for (const settle of calls.values()) settle(why);
  };
  const current = (): ChildProcess => {
    if (starter?.connected) return starter;
    if (starter) giveUp(starter);
    const child = fork(new URL('program-starter-process.ts', import.meta.url), {
      env: programEnvironment({}),
      execArgv: ['--max-semi-space-size=1', '--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      detached: true,
    });
    child.on('message', (message: FromStarter) => {
      const one = running.get(message.id);
      const settleCall = calls.get(message.id);
      if (message.type === 'answered') settleCall?.(message);
      else if (message.type === 'failed') (one?.settle ?? settleCall)?.(new Error(message.message));
      else if (one) {
        one.code = message.code;
        settleIfDone(one);
      }
    });
    child.on('error', () => giveUp(child));
    child.on('exit', () => giveUp(child));
    starter = child;
    return child;
  };
  current();
  lifetime.onClose('program starter', async () => {
    starter?.disconnect();
    server.close();
    await rm(directory, { recursive: true, force: true });
  });

  const send = (message: ToStarter, failed: (error: Error) => void) =>
    current().send(message, (error) => error && failed(error));

  const callGit: CallGit = async (call, signal) => {
    signal.throwIfAborted();
    lastId += 1;
    const id = lastId;
    const { promise, resolve } = Promise.withResolvers<{ text: string } | Error>();
    calls.set(id, resolve);
    const stop = () => {
      send({ type: 'kill', id }, resolve);
      resolve(signal.reason as Error);
    };
    signal.addEventListener('abort', stop, { once: true });
    send({ type: 'call', id, ...call }, resolve);
    try {
      const answer = await promise;
      if (answer instanceof Error) throw answer;
      return answer.text;
    } finally {
      calls.delete(id);
      signal.removeEventListener('abort', stop);
    }
  };

  const start: StartProgram = (program): StartedProgram => {
    lastId += 1;
    const id = lastId;
    const streams = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() };
    const { promise: ended, resolve, reject } = Promise.withResolvers<number | null>();
    ended.catch(() => undefined);
    const one: Running = {
      streams,
      sockets: [],
      open: new Set(['stdout', 'stderr']),
      code: undefined,
      settle(error) {
        if (!running.delete(id)) return;
        for (const stream of [...Object.values(streams), ...one.sockets]) stream.destroy();
        if (error) reject(error);
        else resolve(one.code ?? null);
      },
    };
    running.set(id, one);
    streams.stdin.on('error', () => undefined);
    for (const name of ['stdout', 'stderr'] as const) {
      streams[name].on('close', () => {
        one.open.delete(name);
        settleIfDone(one);
      });
    }
    send({ type: 'start', id, socketPath, ...program }, one.settle);
    return {
      stdin: program.stdin ? streams.stdin : null,
      ...{ stdout: streams.stdout, stderr: streams.stderr, ended },
      kill: () => {
        if (running.has(id)) send({ type: 'kill', id }, one.settle);
      },
    };
  };

  return { start, callGit };
}

function settleIfDone(one: Running): void {
  if (one.open.size === 0 && one.code !== undefined) one.settle();
}

function greet(socket: Socket, running: Map<number, Running>): void {
  let greeting = Buffer.alloc(0);
  socket.on('error', () => socket.destroy());
  const onData = (chunk: Buffer) => {
    greeting = Buffer.concat([greeting, chunk]);
    const end = greeting.indexOf('\n');
    if (end < 0 && greeting.length < greetingBytesMax) return;
    socket.off('data', onData);
    socket.pause();
    const [id, name] = greeting.toString('latin1', 0, Math.max(end, 0)).split(' ');
    const one = running.get(Number(id));
    const stream = one?.streams[name as 'stdin'];
    if (!stream) return void socket.destroy();
    one!.sockets.push(socket);
    if (name === 'stdin') {
      stream.pipe(socket);
      return;
    }
    socket.unshift(greeting.subarray(end + 1));
    socket.on('close', () => stream.end());
    socket.pipe(stream);
  };
  socket.on('data', onData);
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
}
