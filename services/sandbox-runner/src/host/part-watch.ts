// Whether a part that sandboxes need is well, the container engine or the disk, asked again and again.
//
// 1. A part that refuses is known within a second; one that hangs, as soon as the check gives up.
// 2. `onChange` is told at once.

import { EventEmitter, once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';

export interface PartWatch {
  /** Why it is not well; null while it is. */
  failure(): string | null;
  onChange(listener: () => void): void;
  /** Resolves at once while it is well, else when it is again. @throws the signal's reason */
  whenWell(signal: AbortSignal): Promise<void>;
}

const askEveryMs = 1_000;

/** `check` rejects while the part is not well. `signal`: aborted when the runner stops. */
export function startPartWatch(check: () => Promise<void>, signal: AbortSignal, everyMs = askEveryMs): PartWatch {
  const changes = new EventEmitter().setMaxListeners(0);
  let failure: string | null = null;
  const ask = async (): Promise<void> => {
    const found = await check().then(
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
    async whenWell(until) {
      while (failure !== null) {
        until.throwIfAborted();
        await once(changes, 'change', { signal: until }).catch(() => undefined);
      }
    },
  };
}
