// When a delivery that failed is tried again, and when no more.
//
// Soon at first, then every half hour, for three days after the first attempt; later where the receiver asks for it. The delays are spread by the
// event, so that many that failed together do not come back together.

const delaysMs = [1_000, 5_000, 30_000, 120_000, 600_000, 1_800_000];
export const triedForMs = 3 * 24 * 3_600_000;
const spread = 0.2;

/** Undefined: it was the last one. `attempt` from 1 is the one that has failed; `sinceMs` since the first. */
export function retryDelayMs(
  attempt: number,
  sinceMs: number,
  { eventId, retryAfterMs = 0 }: { eventId: string; retryAfterMs?: number },
): number | undefined {
  const base = delaysMs[Math.min(attempt, delaysMs.length) - 1]!;
  const delayMs = Math.max(retryAfterMs, Math.round(base * (1 - spread + 2 * spread * shareOf(eventId))));
  return sinceMs + delayMs > triedForMs ? undefined : delayMs;
}

/** Within 0 and 1, the same for the same event. */
function shareOf(eventId: string): number {
  let hash = 0;
  for (const character of eventId) hash = (Math.imul(hash, 31) + character.charCodeAt(0)) >>> 0;
  return hash / 2 ** 32;
}
