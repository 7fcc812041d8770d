// Whether the container engine answers, asked again and again.
//
// 1. An engine that refuses is known within a second, one that hangs within four: a busy one is not taken for it.
// 2. `onChange` is told at once.

import { EventEmitter, once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { SandboxDriver } from './sandbox-driver.ts';

export interface EngineWatch {
  /** Why it does not answer; null while it does. */
  failure(): string | null;
  onChange(listener: () => void): void;
  /** Resolves at once while it answers, else when it does again. @throws the signal's reason */
  whenAnswering(signal: AbortSignal): Promise<void>;
}

const askEveryMs = 1_000;

/** Called when the engine has just answered. `signal`: aborted when the runner stops. */
export function startEngineWatch(
  driver: Pick<SandboxDriver, 'ping'>,
  signal: AbortSignal,
  everyMs = askEveryMs,
): EngineWatch {
  const changes = new EventEmitter().setMaxListeners(0);
  let failure: string | null = null;
  const ask = async (): Promise<void> => {
    const found = await driver.ping().then(
      () => null,
      (error: unknown) => (error as Error).message || String(error),
    );
    const isChange = (found === null) !== (failure === null);
    failure = found;
    if (isChange && !signal.aborted) changes.emit('change');
  };
  const watch = async (): Promise<void> => {
    while (!signal.aborted) {
      await ask();
      await delay(everyMs, undefined, { signal }).catch(() => undefined);
    }
  };
  void watch();
  return {
    failure: () => failure,
    onChange: (listener) => changes.on('change', listener),
    async whenAnswering(until) {
      while (failure !== null) {
        until.throwIfAborted();
        await once(changes, 'change', { signal: until }).catch(() => undefined);
      }
    },
  };
}
