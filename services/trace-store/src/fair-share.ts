// What is shared goes to one thing after the other of each asker: whoever asks for much waits for itself, not others for it.
//
// 1. Of one asker so many run at once. So many more wait, in their order and not for long; any other is refused at once.
// 2. One that nobody waits for any more has no turn.

import { Code, ConnectError } from '@connectrpc/connect';

export interface FairShare {
  /** @throws ConnectError ABORTED where too many wait, or one has waited too long. @throws the signal's reason */
  use<T>(asker: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
}

export interface ShareBounds {
  atOnce: number;
  waitingMax: number;
  waitMsMax: number;
}

interface Asker {
  running: number;
  waiting: (() => void)[];
}

export function createFairShare({ atOnce, waitingMax, waitMsMax }: ShareBounds): FairShare {
  const askers = new Map<string, Asker>();
  const refused = (why: string) =>
    new ConnectError(`statements of an organization run one after the other: ${why}`, Code.Aborted);

  async function turn(asker: Asker, signal: AbortSignal | undefined): Promise<void> {
    if (asker.waiting.length >= waitingMax) throw refused(`${waitingMax} wait already`);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    asker.waiting.push(resolve);
    const leave = (reason: unknown) => {
      const at = asker.waiting.indexOf(resolve);
      if (at < 0) return;
      asker.waiting.splice(at, 1);
      reject(reason);
    };
    const gone = () => leave(signal?.reason);
    const timer = setTimeout(() => leave(refused(`this one has waited ${waitMsMax / 1_000} s`)), waitMsMax);
    signal?.addEventListener('abort', gone, { once: true });
    await promise.finally(() => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', gone);
    });
  }

  return {
    use: async (name, work, signal) => {
      signal?.throwIfAborted();
      const asker = askers.get(name) ?? { running: 0, waiting: [] };
      askers.set(name, asker);
      // Whoever ends hands its turn on: `running` stays as it is.
      if (asker.running < atOnce) asker.running += 1;
      else await turn(asker, signal);
      try {
        return await work();
      } finally {
        const next = asker.waiting.shift();
        if (next) next();
        else if (--asker.running === 0) askers.delete(name);
      }
    },
  };
}
