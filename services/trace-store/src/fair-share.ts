// No asker takes all of what is shared: a bounded number at once for each.

import { Code, ConnectError } from '@connectrpc/connect';

export interface FairShare {
  /** @throws ConnectError ABORTED when this asker has its share under way. */
  use<T>(asker: string, work: () => Promise<T>): Promise<T>;
  /** The same for what comes piece by piece. */
  useWhile<T>(asker: string, work: () => AsyncIterable<T>): AsyncGenerator<T>;
}

export function createFairShare(perAskerMax: number): FairShare {
  const underWay = new Map<string, number>();

  function take(asker: string): void {
    const count = underWay.get(asker) ?? 0;
    if (count >= perAskerMax) {
      throw new ConnectError(`${perAskerMax} statements of this organization are under way already`, Code.Aborted);
    }
    underWay.set(asker, count + 1);
  }

  function give(asker: string): void {
    const left = underWay.get(asker)! - 1;
    if (left > 0) underWay.set(asker, left);
    else underWay.delete(asker);
  }

  return {
    use: async (asker, work) => {
      take(asker);
      try {
        return await work();
      } finally {
        give(asker);
      }
    },
    useWhile: async function* (asker, work) {
      take(asker);
      try {
        yield* work();
      } finally {
        give(asker);
      }
    },
  };
}
