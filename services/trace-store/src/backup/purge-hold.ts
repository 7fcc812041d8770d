// Keeps what is stored in the streams for a time: a backup of ClickHouse is followed by one of the streams, which has what came between.

/** Nobody holds longer without asking again. */
export const holdSecondsMax = 3_600;

export interface PurgeHold {
  /**
   * From now on nothing is purged for so long; 0: it may be. Resolves when a purge that is under way has ended, with whether it was held
   * until now.
   */
  hold(seconds: number): Promise<boolean>;
  /** Runs the work unless it is held. */
  unlessHeld(purge: () => Promise<void>): Promise<void>;
}

export function createPurgeHold(nowMs: () => number): PurgeHold {
  let heldUntilMs = 0;
  let running: Promise<void> = Promise.resolve();
  return {
    hold: async (seconds) => {
      const wasHeld = nowMs() < heldUntilMs;
      heldUntilMs = nowMs() + Math.min(seconds, holdSecondsMax) * 1_000;
      await running;
      return wasHeld;
    },
    unlessHeld: async (purge) => {
      if (nowMs() < heldUntilMs) return;
      running = purge().catch(() => undefined);
      await running;
    },
  };
}
