// Which runners are lost, decided from who was seen announced and who was missed, and when.
//
// 1. A runner is lost when it has been missed for `absentMs` of uninterrupted observation.
// 2. The start of this process, a connection that broke and a look that came late interrupt the observation: for `graceMs` after that
//    nobody is missed, because others may not have been able to announce themselves either, and because what this process believes it
//    has observed it may have slept through.
// 3. One that is seen again is not lost.

export interface SightingBounds {
  absentMs: number;
  graceMs: number;
  /** Longer than this between two looks, it was not observed meanwhile. */
  lateMs: number;
}

export const sightingBounds: SightingBounds = { absentMs: 8_000, graceMs: 20_000, lateMs: 3_000 };

export interface RunnerSightings {
  interrupted(nowMs: number): void;
  /** One look at all runners that matter: which are announced, which are not. What is not named is forgotten. */
  looked(seen: ReadonlySet<string>, missed: ReadonlySet<string>, nowMs: number): void;
  /** As of the latest look. */
  isLost(runnerId: string): boolean;
}

export function createRunnerSightings(startMs: number, bounds: SightingBounds): RunnerSightings {
  const missedSinceMs = new Map<string, number>();
  let watchedSinceMs = startMs + bounds.graceMs;
  let lookedAtMs = startMs;

  const interrupted = (nowMs: number) => {
    missedSinceMs.clear();
    watchedSinceMs = nowMs + bounds.graceMs;
  };
  return {
    interrupted,
    looked(seen, missed, nowMs) {
      // A clock that was set back says as little as one that jumped.
      if (nowMs < lookedAtMs || nowMs - lookedAtMs > bounds.lateMs) interrupted(nowMs);
      lookedAtMs = nowMs;
      for (const runnerId of missedSinceMs.keys()) {
        if (seen.has(runnerId) || !missed.has(runnerId)) missedSinceMs.delete(runnerId);
      }
      for (const runnerId of missed) {
        if (!missedSinceMs.has(runnerId)) missedSinceMs.set(runnerId, Math.max(nowMs, watchedSinceMs));
      }
    },
    isLost(runnerId) {
      const sinceMs = missedSinceMs.get(runnerId);
      return sinceMs !== undefined && lookedAtMs - sinceMs >= bounds.absentMs;
    },
  };
}
