// Which idle sessions give up their place to those that wait for one: those that have been idle longest, as many as places are missing.
//
// 1. Who was told to sleep counts as a place that is about to be free for `effectMsMax`, and is not told again before that.
// 2. A session that has just become idle keeps its place for a moment.

import type { MissingPlaces } from './placement.ts';

export interface OpenSession {
  sessionId: string;
  memoryMb: number;
  /** null: a command of it is live. */
  idleSinceMs: number | null;
}

export const effectMsMax = 60_000;
export const idleMsMin = 3_000;

/** `toldMs`: when sessions were told last. Answers whom to tell now. */
export function chooseEvicted(
  missing: MissingPlaces,
  open: readonly OpenSession[],
  toldMs: ReadonlyMap<string, number>,
  nowMs: number,
): string[] {
  let { count, memoryMb } = missing;
  const isUnderWay = ({ sessionId }: OpenSession) => (toldMs.get(sessionId) ?? -Infinity) + effectMsMax > nowMs;
  for (const session of open.filter(isUnderWay)) {
    count -= 1;
    memoryMb -= session.memoryMb;
  }
  const hasBeenIdle = ({ idleSinceMs }: OpenSession) => idleSinceMs !== null && idleSinceMs + idleMsMin <= nowMs;
  const idle = open
    .filter((session) => !isUnderWay(session) && hasBeenIdle(session))
    .toSorted((a, b) => (a.idleSinceMs ?? 0) - (b.idleSinceMs ?? 0));
  const evicted: string[] = [];
  for (const { sessionId, memoryMb: freed } of idle) {
    if (count <= 0 && memoryMb <= 0) break;
    evicted.push(sessionId);
    count -= 1;
    memoryMb -= freed;
  }
  return evicted;
}
