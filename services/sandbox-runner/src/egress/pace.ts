// How fast one sandbox's requests are taken up: a sandbox that asks without end waits for itself, and not the runner's other sessions for it.

const perSecondMax = 200;
const atOnceMax = 400;

export interface Pace {
  /** Takes the next turn, and answers in how many milliseconds it is. */
  takeMs(): number;
}

/** `atOnceMax` without waiting, after as long a rest as they take; then one every 1/`perSecondMax` s. */
export function createPace(clock: () => number): Pace {
  const eachMs = 1_000 / perSecondMax;
  let nextMs = Number.NEGATIVE_INFINITY;
  return {
    takeMs() {
      const nowMs = clock();
      nextMs = Math.max(nextMs, nowMs - atOnceMax * eachMs) + eachMs;
      return Math.max(0, nextMs - nowMs);
    },
  };
}
