// A thread of its own for what would hold up everything else in the runner: it is started when it is needed, and ended when it was idle for a
// while, which gives back all of its memory.
//
// 1. A thread that says nothing for `silentMsMax` while it is asked something, or dies, is ended: all that it was asked fails with ThreadLost,
//    and the next request has a new one.
// 2. An aborted request fails at once; the thread is told.

import { Worker } from 'node:worker_threads';
import { createStartGate } from '../host/start-gate.ts';
import { programEnvironment } from '../host/program-environment.ts';

export type ThreadKind = 'build' | 'search' | 'scan';

export type ThreadMessage = { id: number; kind: ThreadKind; request: unknown } | { id: number; kind: 'cancel' };

export type ThreadAnswer =
  | { id: number; progress: unknown }
  | { id: number; result: unknown }
  | { id: number; failure: string };

export class ThreadLost extends Error {
  override readonly name = 'ThreadLost';
}

export interface IndexThread {
  ask(request: unknown, signal: AbortSignal, onProgress?: (progress: unknown) => void): Promise<unknown>;
  close(): Promise<void>;
}

export interface IndexThreadOptions {
  kind: ThreadKind;
  /** Where the thread begins: by default it makes and searches indexes. */
  program?: URL;
  /** Of JavaScript's heap. */
  heapMbMax: number;
  silentMsMax: number;
  idleMsMax: number;
}

interface Asked {
  resolve(result: unknown): void;
  reject(error: Error): void;
  onProgress: (progress: unknown) => void;
}

export function createIndexThread(options: IndexThreadOptions): IndexThread {
  const { kind, heapMbMax, silentMsMax, idleMsMax } = options;
  const program = options.program ?? new URL('./context-thread.ts', import.meta.url);
  const asked = new Map<number, Asked>();
  let worker: Worker | undefined;
  let idle: NodeJS.Timeout | undefined;
  /** Since it was asked something, or has said something of it. */
  let silence: NodeJS.Timeout | undefined;
  let lastId = 0;
  let isClosed = false;

  function lose(lost: Worker, reason: string, cause?: unknown): void {
    if (worker !== lost) return;
    worker = undefined;
    clearTimeout(silence);
    for (const one of asked.values()) one.reject(new ThreadLost(reason, { cause }));
    asked.clear();
    void lost.terminate();
  }

  function start(): Worker {
    const started = new Worker(program, {
      env: programEnvironment({}),
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: heapMbMax },
    });
    started.on('message', (answer: ThreadAnswer) => take(answer));
    started.on('error', (error) => lose(started, `the thread failed: ${(error as Error).message}`, error));
    started.on('exit', () => lose(started, 'the thread ended'));
    started.unref();
    return started;
  }

  function take(answer: ThreadAnswer): void {
    if (asked.size > 0) silence?.refresh();
    const one = asked.get(answer.id);
    if (!one) return;
    if ('progress' in answer) {
      one.onProgress(answer.progress);
      return;
    }
    settle(answer.id);
    if ('failure' in answer) one.reject(new Error(answer.failure));
    else one.resolve(answer.result);
  }

  function settle(id: number): void {
    asked.delete(id);
    const unused = worker;
    if (asked.size > 0 || !unused) return;
    clearTimeout(silence);
    idle = setTimeout(() => lose(unused, 'the thread was idle'), idleMsMax).unref();
  }

  return {
    ask(request, signal, onProgress = () => undefined) {
      if (isClosed) return Promise.reject(new ThreadLost('the runner is stopping'));
      signal.throwIfAborted();
      clearTimeout(idle);
      const used = (worker ??= start());
      const id = ++lastId;
      return new Promise((resolve, reject) => {
        const abort = () => {
          if (!asked.has(id)) return;
          settle(id);
          used.postMessage({ id, kind: 'cancel' } satisfies ThreadMessage);
          reject(signal.reason);
        };
        const over = <T>(end: (value: T) => void) => {
          return (value: T) => {
            signal.removeEventListener('abort', abort);
            end(value);
          };
        };
        if (asked.size === 0) {
          silence = setTimeout(() => lose(used, `the thread was silent for ${silentMsMax} ms`), silentMsMax);
        }
        asked.set(id, { resolve: over(resolve), reject: over(reject), onProgress });
        signal.addEventListener('abort', abort, { once: true });
        used.postMessage({ id, kind, request } satisfies ThreadMessage);
      });
    },
    async close() {
      isClosed = true;
      clearTimeout(idle);
      const last = worker;
      if (last) lose(last, 'the runner is stopping');
      await last?.terminate();
    },
  };
}

/** The time that a request waits for those before it is not its own: of two that would be silent together neither is lost. */
export function oneAtATime(thread: IndexThread): IndexThread {
  const gate = createStartGate(1);
  return {
    ask: (request, signal, onProgress) => gate.run(() => thread.ask(request, signal, onProgress)),
    close: () => thread.close(),
  };
}
