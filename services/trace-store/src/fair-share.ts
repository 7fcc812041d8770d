// No asker takes all of what is shared: a bounded number at once for each.

import { Code, ConnectError } from '@connectrpc/connect';

export interface FairShare {
  /** @throws ConnectError ABORTED when this asker has its share under way. */
  use<T>(asker: string, work: () => Promise<T>): Promise<T>;
}

export function createFairShare(perAskerMax: number): FairShare {
  const underWay = new Map<string, number>();
  return {
    use: async (asker, work) => {
      const count = underWay.get(asker) ?? 0;
      if (count >= perAskerMax) {
        throw new ConnectError(`${perAskerMax} statements of this organization are under way already`, Code.Aborted);
      }
      underWay.set(asker, count + 1);
      try {
        return await work();
      } finally {
        const left = underWay.get(asker)! - 1;
        if (left > 0) underWay.set(asker, left);
        else underWay.delete(asker);
      }
    },
  };
}
