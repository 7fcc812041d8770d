// Random choices that repeat: the same seed gives the same choices, on any machine.

import { createHash } from 'node:crypto';

export interface Draw {
  /** A whole number from 0 up to, but not including, `end`. */
  below(end: number): number;
  between(first: number, last: number): number;
  pick<T>(list: readonly T[]): T;
  shuffle<T>(list: readonly T[]): T[];
}

export function createDraw(seed: string): Draw {
  let count = 0;
  const below = (end: number) => {
    const digest = createHash('sha256').update(`${seed}/${count++}`).digest();
    return Math.floor((digest.readUInt32BE(0) / 2 ** 32) * end);
  };
  return {
    below,
    between: (first, last) => first + below(last - first + 1),
    pick: (list) => list[below(list.length)]!,
    shuffle<T>(list: readonly T[]) {
      const left = [...list];
      const shuffled: T[] = [];
      while (left.length > 0) shuffled.push(...left.splice(below(left.length), 1));
      return shuffled;
    },
  };
}
