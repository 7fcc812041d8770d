// When something was last done in each open session, as this process knows it.

export interface SessionActivity {
  /** Something has just been done in it. */
  touch(sessionId: string): void;
  /** `elseMs`: where this process knows of nothing. */
  lastMs(sessionId: string, elseMs: number): number;
  /** Forgets all others. */
  keepOnly(sessions: Pick<ReadonlyMap<string, unknown>, 'has'>): void;
}

export function createSessionActivity(clock: () => number): SessionActivity {
  const touchedMs = new Map<string, number>();
  return {
    touch(sessionId) {
      touchedMs.set(sessionId, clock());
    },
    lastMs: (sessionId, elseMs) => Math.max(touchedMs.get(sessionId) ?? 0, elseMs),
    keepOnly(sessions) {
      for (const sessionId of touchedMs.keys()) if (!sessions.has(sessionId)) touchedMs.delete(sessionId);
    },
  };
}
