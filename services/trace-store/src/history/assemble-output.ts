// Bytes of a command's output from its events, whose borders may differ from attempt to attempt.
//
// 1. The same offset has the same byte in every chunk: overlap is dropped.
// 2. A range that no chunk has, and beyond which there are bytes or the command's end, is a gap: skipped and named. It never holds
//    up what follows.

export interface OutputChunk {
  /** In the coordinate that is read: of the stream, or of the command. */
  offset: number;
  bytes: Uint8Array;
}

export interface OutputGapRange {
  fromOffset: number;
  toOffset: number;
}

export interface OutputPart {
  bytes: Uint8Array;
  nextOffset: number;
  gaps: OutputGapRange[];
}

/**
 * `chunks` in ascending order of offset; those before `from` may be missing. `end`: the total, where the command has ended;
 * `exhausted`: no chunk was left out for space.
 */
export function assembleOutput(
  chunks: readonly OutputChunk[],
  from: number,
  limit: number,
  exhausted: boolean,
  end: number | undefined,
): OutputPart {
  const parts: Uint8Array[] = [];
  const gaps: OutputGapRange[] = [];
  let at = from;
  let left = limit;
  for (const chunk of chunks) {
    const chunkEnd = chunk.offset + chunk.bytes.length;
    if (chunkEnd <= at) continue;
    if (left === 0) return { bytes: joined(parts), nextOffset: at, gaps };
    if (chunk.offset > at) {
      gaps.push({ fromOffset: at, toOffset: chunk.offset });
      at = chunk.offset;
    }
    const part = chunk.bytes.subarray(at - chunk.offset, at - chunk.offset + left);
    parts.push(part);
    at += part.length;
    left -= part.length;
  }
  if (exhausted && left > 0 && end !== undefined && end > at) {
    gaps.push({ fromOffset: at, toOffset: end });
    at = end;
  }
  return { bytes: joined(parts), nextOffset: at, gaps };
}

/** How many of the chunks, in ascending order, fill the limit from an offset on. */
export function chunksNeeded(ranges: readonly { offset: number; size: number }[], from: number, limit: number): number {
  let at = from;
  let left = limit;
  for (let count = 0; count < ranges.length; count++) {
    if (left <= 0) return count;
    const { offset, size } = ranges[count]!;
    const start = Math.max(at, offset);
    left -= Math.max(0, offset + size - start);
    at = Math.max(at, offset + size);
  }
  return ranges.length;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}
