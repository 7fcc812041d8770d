/** Polls a condition of the outside world (a port, a socket, a process) that has no event to await; bounded in time. */
import { setTimeout as delay } from 'node:timers/promises';

export interface WaitOptions {
  /** Completes the sentence "waited N s for …". */
  what: string;
  timeoutMs: number;
  intervalMs?: number;
  signal?: AbortSignal;
}

export async function waitUntil(condition: () => Promise<boolean>, options: WaitOptions): Promise<void> {
  const deadline = performance.now() + options.timeoutMs;
  while (!(await condition())) {
    options.signal?.throwIfAborted();
    if (performance.now() > deadline)
      throw new Error(`Waited ${options.timeoutMs / 1000} s in vain for ${options.what}.`);
    await delay(options.intervalMs ?? 50, undefined, {
      signal: options.signal,
    });
  }
}
