// The one cursor of every feed: a position in the stream that holds a session's events.
//
// 1. Opaque to clients; ordered by (epoch, sequence, fill); epoch changes when the stream was created anew.
// 2. `parseCursor` accepts exactly what `formatCursor` made and nothing else.

export interface Cursor {
  /** Incarnation of the stream: its creation time, ms since 1970. */
  epoch: number;
  /** Sequence in the stream; 0 is before the first event. */
  sequence: number;
  /** Of what stands between this sequence and the next because events were missing there; left out for an event of the stream. */
  fill?: number;
}

export function formatCursor({ epoch, sequence, fill }: Cursor): string {
  return [epoch, sequence, ...(fill ? [fill] : [])].map((part) => part.toString(36)).join('-');
}

/** Undefined for anything that is not a cursor. */
export function parseCursor(text: string): Cursor | undefined {
  const match = /^([0-9a-z]{1,10})-([0-9a-z]{1,11})(?:-([0-9a-z]{1,11}))?$/.exec(text);
  if (!match) return undefined;
  const [epoch, sequence, fill] = [match[1]!, match[2]!, match[3] ?? '0'].map((part) => Number.parseInt(part, 36)) as [
    number,
    number,
    number,
  ];
  const cursor = toCursor(epoch, sequence, fill);
  const exact = [epoch, sequence, fill].every(Number.isSafeInteger);
  return exact && formatCursor(cursor) === text ? cursor : undefined;
}

/** `fill`: 0 for an event of the stream. */
export function toCursor(epoch: number, sequence: number, fill: number): Cursor {
  return fill === 0 ? { epoch, sequence } : { epoch, sequence, fill };
}

/** Negative when a is before b. */
export function compareCursors(a: Cursor, b: Cursor): number {
  return a.epoch - b.epoch || a.sequence - b.sequence || (a.fill ?? 0) - (b.fill ?? 0);
}
