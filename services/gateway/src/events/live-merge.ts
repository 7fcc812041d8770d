// Whether a live event may be forwarded now: the decision between history and live, without any I/O.
//
// Invariants of a merge:
// 1. Every event of the session at or below `safe` was forwarded; above it, exactly those in `seen`.
// 2. A message that is forwarded follows, on its subject, one that was forwarded: nothing is left out without being noticed.
// 3. `seen` has at most `seenMax` entries.

export interface LiveMerge {
  safe: number;
  /** The greatest sequence that was forwarded, or read up to. */
  position: number;
  /** In the order of forwarding. */
  readonly seen: Set<number>;
}

export interface LivePosition {
  sequence: number;
  /** Of the message before it on its subject; 0: none. */
  lastSequence: number;
}

export const seenMax = 4_096;

/** Nothing above `position` was forwarded yet. */
export function createMerge(position: number): LiveMerge {
  return { safe: position, position, seen: new Set() };
}

/** From history or live: what was forwarded must not be given again. */
export function isForwarded(merge: LiveMerge, sequence: number): boolean {
  return sequence <= merge.safe || merge.seen.has(sequence);
}

/**
 * forward: it is the next. drop: it was forwarded already. gap: something before it is missing, read the history from `safe`.
 */
export function decide(merge: LiveMerge, message: LivePosition): 'forward' | 'drop' | 'gap' {
  if (isForwarded(merge, message.sequence)) return 'drop';
  if (message.sequence < merge.position) return 'gap';
  return isForwarded(merge, message.lastSequence) ? 'forward' : 'gap';
}

export function markForwarded(merge: LiveMerge, sequence: number): void {
  merge.seen.add(sequence);
  merge.position = Math.max(merge.position, sequence);
  if (merge.seen.size <= seenMax) return;
  const oldest = merge.seen.values().next().value!;
  merge.seen.delete(oldest);
  merge.safe = Math.max(merge.safe, oldest);
}

/** The history was read and forwarded up to here, in order. */
export function markReadUpTo(merge: LiveMerge, sequence: number): void {
  merge.safe = Math.max(merge.safe, sequence);
  merge.position = Math.max(merge.position, sequence);
  for (const seen of merge.seen) if (seen <= merge.safe) merge.seen.delete(seen);
}
