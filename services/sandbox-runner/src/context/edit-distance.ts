// How many single changes (another character, one more, one less, two neighbours exchanged) make one word of another.

/** Undefined where it is more than `max`. */
export function editDistanceWithin(one: string, two: string, max: number): number | undefined {
  if (Math.abs(one.length - two.length) > max) return undefined;
  let before: number[] = [];
  let last = Array.from({ length: two.length + 1 }, (_, at) => at);
  for (let at = 1; at <= one.length; at++) {
    const row = [at];
    let least = at;
    for (let to = 1; to <= two.length; to++) {
      const same = one[at - 1] === two[to - 1];
      let distance = Math.min(last[to - 1]! + (same ? 0 : 1), last[to]! + 1, row[to - 1]! + 1);
      const isExchanged = at > 1 && to > 1 && one[at - 1] === two[to - 2] && one[at - 2] === two[to - 1];
      if (isExchanged) distance = Math.min(distance, before[to - 2]! + 1);
      row.push(distance);
      least = Math.min(least, distance);
    }
    if (least > max) return undefined;
    [before, last] = [last, row];
  }
  const distance = last[two.length]!;
  return distance <= max ? distance : undefined;
}
