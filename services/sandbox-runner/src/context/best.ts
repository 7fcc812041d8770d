// The best of many, without sorting them all.

export interface Best<T> {
  /** Whether something of this score would be taken: it may be left unmade otherwise. */
  takes(score: number): boolean;
  add(score: number, value: T): void;
  /** The best first; of equal ones the one that came first. */
  list(): { score: number; value: T }[];
}

export function createBest<T>(countMax: number): Best<T> {
  const kept: { score: number; value: T }[] = [];
  const takes = (score: number) => kept.length < countMax || score > kept.at(-1)!.score;
  return {
    takes,
    add(score, value) {
      if (countMax === 0 || !takes(score)) return;
      let low = 0;
      let high = kept.length;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (kept[middle]!.score >= score) low = middle + 1;
        else high = middle;
      }
      kept.splice(low, 0, { score, value });
      if (kept.length > countMax) kept.pop();
    },
    list: () => [...kept],
  };
}
