// A bounded number of things at once, in all and of one key. Who comes later waits in line, but not for ever.

import { WorktrailError } from '@worktrail/contract/errors';

export interface Turns {
  /** @throws WorktrailError `rate_limited` where the turn does not come in time, or the signal's reason */
  take<T>(key: string, signal: AbortSignal, work: () => Promise<T>): Promise<T>;
}

export function createTurns(bounds: { totalMax: number; perKeyMax: number; waitMsMax: number }): Turns {
  const running = new Map<string, number>();
  let total = 0;
  let waiting: { key: string; begin: () => void }[] = [];

  const of = (key: string) => running.get(key) ?? 0;
  const hasRoom = (key: string) => total < bounds.totalMax && of(key) < bounds.perKeyMax;
  const begin = (key: string) => {
    total += 1;
    running.set(key, of(key) + 1);
  };
  const end = (key: string) => {
    total -= 1;
    if (of(key) === 1) running.delete(key);
    else running.set(key, of(key) - 1);
    const next = waiting.find((one) => hasRoom(one.key));
    next?.begin();
  };

  async function wait(key: string, signal: AbortSignal): Promise<void> {
    const turn = Promise.withResolvers<void>();
    const place = {
      key,
      begin: () => {
        begin(key);
        leave();
        turn.resolve();
      },
    };
    const leave = () => {
      waiting = waiting.filter((one) => one !== place);
    };
    const refuse = (error: unknown) => {
      leave();
      turn.reject(error as Error);
    };
    const onAbort = () => refuse(signal.reason);
    const late = () =>
      refuse(new WorktrailError('rate_limited', `others are answered first, for ${bounds.waitMsMax} ms already`));
    const timer = setTimeout(late, bounds.waitMsMax);
    signal.addEventListener('abort', onAbort, { once: true });
    waiting.push(place);
    try {
      await turn.promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    }
  }

  return {
    async take(key, signal, work) {
      signal.throwIfAborted();
      if (hasRoom(key)) begin(key);
      else await wait(key, signal);
      try {
        return await work();
      } finally {
        end(key);
      }
    },
  };
}
