// Output on its way into events: the first bytes at once, then as much as comes within `delayMs`, at most `bytesMax` an event.
//
// Pure: knows neither clock nor stream. Positions stay in order; an event holds bytes of one stream.

import { type OutputPiece, cutFront } from './secret-mask.ts';

export interface OutputBuffer {
  push(piece: OutputPiece): void;
  readonly pendingBytes: number;
  /** How long until there is something to send: 0 now, `undefined` when nothing is waiting. */
  dueInMs(nowMs: number): number | undefined;
  /** Takes the next event's output. */
  take(): OutputPiece | undefined;
  /** All that was waiting has been sent: the next may wait for its delay. */
  sent(nowMs: number): void;
}

export function createOutputBuffer(limits: { bytesMax: number; delayMs: number }): OutputBuffer {
  const pieces: OutputPiece[] = [];
  let pendingBytes = 0;
  let lastSentMs: number | undefined;
  return {
    push(piece) {
      pieces.push(piece);
      pendingBytes += piece.bytes.length;
    },
    get pendingBytes() {
      return pendingBytes;
    },
    dueInMs(nowMs) {
      if (pendingBytes === 0) return undefined;
      if (lastSentMs === undefined || pendingBytes >= limits.bytesMax) return 0;
      return Math.max(0, lastSentMs + limits.delayMs - nowMs);
    },
    take() {
      const first = pieces[0];
      if (!first) return undefined;
      let bytes = 0;
      let count = 0;
      while (count < pieces.length && pieces[count]!.stream === first.stream && bytes < limits.bytesMax) {
        bytes += pieces[count]!.bytes.length;
        count += 1;
      }
      const run = pieces.splice(0, count);
      const excess = bytes - limits.bytesMax;
      if (excess > 0) {
        const last = run.pop()!;
        const kept = last.bytes.length - excess;
        run.push({ ...last, bytes: last.bytes.subarray(0, kept) });
        pieces.unshift(cutFront(last, kept));
      }
      const taken = run.length === 1 ? run[0]! : { ...first, bytes: Buffer.concat(run.map((piece) => piece.bytes)) };
      pendingBytes -= taken.bytes.length;
      return taken;
    },
    sent(nowMs) {
      lastSentMs = nowMs;
    },
  };
}
