// Which of the sessions that wait for a place on this runner are to have one.
//
// 1. The organization with the fewest places here comes first, then who has waited longest. Places that are given out count at once.
// 2. Who comes first and does not fit yet is waited for: what becomes free is not given to smaller ones behind it for ever.

export interface WaitingSession {
  sessionId: string;
  organizationId: string;
  memoryMb: number;
  waitingSinceMs: number;
}

export interface FreePlaces {
  count: number;
  /** Infinity: memory is not counted. */
  memoryMb: number;
}

/** Whether `sessionId` is among those that get the free places. */
export function hasTurn(
  sessionId: string,
  waiting: readonly WaitingSession[],
  heldByOrganization: ReadonlyMap<string, number>,
  free: FreePlaces,
): boolean {
  const held = new Map(heldByOrganization);
  const left = new Set(waiting);
  let { count, memoryMb } = free;
  while (count > 0) {
    const next = firstOf(left, held);
    if (next === undefined || next.memoryMb > memoryMb) return false;
    if (next.sessionId === sessionId) return true;
    left.delete(next);
    held.set(next.organizationId, (held.get(next.organizationId) ?? 0) + 1);
    count -= 1;
    memoryMb -= next.memoryMb;
  }
  return false;
}

function firstOf(waiting: Iterable<WaitingSession>, held: ReadonlyMap<string, number>): WaitingSession | undefined {
  let first: WaitingSession | undefined;
  for (const one of waiting) if (first === undefined || compare(one, first, held) < 0) first = one;
  return first;
}

function compare(a: WaitingSession, b: WaitingSession, held: ReadonlyMap<string, number>): number {
  const byHeld = (held.get(a.organizationId) ?? 0) - (held.get(b.organizationId) ?? 0);
  return byHeld || a.waitingSinceMs - b.waitingSinceMs || (a.sessionId < b.sessionId ? -1 : 1);
}
