// The one cursor of every feed: a position in the stream that holds a session's events.
//
// 1. Opaque to clients; ordered by (epoch, sequence); epoch changes when the stream was created anew.
// 2. `parseCursor` accepts exactly what `formatCursor` made and nothing else.

export interface Cursor {
  /** Incarnation of the stream: its creation time, ms since 1970. */
  epoch: number;
  /** Sequence in the stream; 0 is before the first event. */
  sequence: number;
}

export function formatCursor(cursor: Cursor): string {
  return `${cursor.epoch.toString(36)}-${cursor.sequence.toString(36)}`;
}

/** Undefined for anything that is not a cursor. */
export function parseCursor(text: string): Cursor | undefined {
  const match = /^([0-9a-z]{1,10})-([0-9a-z]{1,11})$/.exec(text);
  if (!match) return undefined;
  const cursor = { epoch: Number.parseInt(match[1]!, 36), sequence: Number.parseInt(match[2]!, 36) };
  const exact = Number.isSafeInteger(cursor.epoch) && Number.isSafeInteger(cursor.sequence);
  return exact && formatCursor(cursor) === text ? cursor : undefined;
}

/** Negative when a is before b. */
export function compareCursors(a: Cursor, b: Cursor): number {
  return a.epoch - b.epoch || a.sequence - b.sequence;
}
