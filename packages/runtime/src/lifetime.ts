// The life of a service: what is opened in order is closed in reverse, by name, each within a bound.
//
// 1. `signal` aborts before the first closer runs, so loops stop taking new work.
// 2. A closer that fails or hangs is named in the log and does not keep the others from running.
// 3. `close` is idempotent.
// 4. A part without which the service is of no use ends it by `fail`: a process that is gone is started again, one that only looks
//    alive is not.

import type { Logger } from './log.ts';

export interface Lifetime {
  /** Aborted when closing begins. */
  readonly signal: AbortSignal;
  onClose(name: string, close: () => unknown): void;
  close(): Promise<void>;
  fail(error: Error): void;
  /** Resolves with the first error that `fail` was called with. */
  readonly failed: Promise<Error>;
}

export function createLifetime(log: Logger, closerTimeoutMs = 10_000): Lifetime {
  const controller = new AbortController();
  const closers: { name: string; close: () => unknown }[] = [];
  const { promise: failed, resolve: fail } = Promise.withResolvers<Error>();
  let closing: Promise<void> | undefined;

  async function closeAll(): Promise<void> {
    controller.abort();
    for (let closer = closers.pop(); closer !== undefined; closer = closers.pop()) {
      await closeOne(closer.name, closer.close);
    }
  }

  async function closeOne(name: string, close: () => unknown): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`not closed within ${closerTimeoutMs} ms`)), closerTimeoutMs);
    });
    try {
      await Promise.race([Promise.resolve().then(close), timeout]);
    } catch (error) {
      log.error({ err: error, part: name }, 'could not close');
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    signal: controller.signal,
    onClose: (name, close) => closers.push({ name, close }),
    close: () => (closing ??= closeAll()),
    fail,
    failed,
  };
}
