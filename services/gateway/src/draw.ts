// Ids and secrets of one request, all drawn from one seed: a request that is driven again with its kept seed makes the same
// resources, not new ones.

import { createHmac, randomBytes } from 'node:crypto';
import { type IdKind, idFrom } from '@worktrail/contract/ids';

export interface Draw {
  /** When the request was first seen, ms since 1970. */
  readonly timeMs: number;
  /** The next id of this kind; ids of one draw are sorted as drawn. */
  id(kind: IdKind): string;
  /** 32 bytes for this purpose. */
  bytes(purpose: string): Buffer;
}

export const seedBytes = 32;

export function newSeed(): Buffer {
  return randomBytes(seedBytes);
}

export function createDraw(seed: Buffer, timeMs: number): Draw {
  const drawn = new Map<IdKind, number>();
  const bytes = (purpose: string) => createHmac('sha256', seed).update(purpose).digest();
  return {
    timeMs,
    bytes,
    id(kind) {
      const count = drawn.get(kind) ?? 0;
      drawn.set(kind, count + 1);
      const entropy = bytes(`id ${kind} ${count}`).subarray(0, 10);
      // The first 12 random bits of an id count, so that ids of the same millisecond keep their order.
      entropy[0] = (count >> 8) & 0x0f;
      entropy[1] = count & 0xff;
      return idFrom(kind, timeMs, entropy);
    },
  };
}
