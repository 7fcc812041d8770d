// The best of many, without sorting them all.

export interface Best<T> {
  /** Whether it would be taken: it need not be made otherwise. Of equal scores the lower place is better. */
  takes(score: number, place: number): boolean;
  add(score: number, place: number, value: T): void;
  /** The best first, whatever the order in which they came. */
  list(): { score: number; value: T }[];
}

export function createBest<T>(countMax: number): Best<T> {
  const kept: { score: number; place: number; value: T }[] = [];
  const isBetter = (score: number, place: number, than: { score: number; place: number }) =>
    score > than.score || (score === than.score && place < than.place);
  const takes = (score: number, place: number) =>
    kept.length < countMax || (countMax > 0 && isBetter(score, place, kept.at(-1)!));
  return {
    takes,
    add(score, place, value) {
      if (!takes(score, place)) return;
      let low = 0;
      let high = kept.length;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (isBetter(score, place, kept[middle]!)) high = middle;
        else low = middle + 1;
      }
      kept.splice(low, 0, { score, place, value });
      if (kept.length > countMax) kept.pop();
    },
    list: () => kept.map(({ score, value }) => ({ score, value })),
  };
}
