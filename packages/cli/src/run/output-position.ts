// How far each stream of a command has been written out, so that every byte is written once.
//
// 1. `takeOutput` gives the part of a chunk that is new, and the range before it that is missing, whatever was cut or sent again.
// 2. Written and missing ranges together cover each stream from 0 without overlap.

export type StreamName = 'stdout' | 'stderr';

export type OutputPosition = Readonly<Record<StreamName, number>>;

export const startPosition: OutputPosition = { stdout: 0, stderr: 0 };

export interface OutputChunk {
  stream: StreamName;
  /** Position of the first byte in its stream. */
  offset: number;
  bytes: Uint8Array;
}

export interface TakenOutput {
  /** [from, to) that lies between what was written and this chunk. */
  missing: { from: number; to: number } | null;
  fresh: Uint8Array;
  position: OutputPosition;
}

export function takeOutput(position: OutputPosition, chunk: OutputChunk): TakenOutput {
  const written = position[chunk.stream];
  const end = chunk.offset + chunk.bytes.length;
  if (end <= written) return { missing: null, fresh: new Uint8Array(0), position };
  return {
    missing: chunk.offset > written ? { from: written, to: chunk.offset } : null,
    fresh: chunk.offset < written ? chunk.bytes.subarray(written - chunk.offset) : chunk.bytes,
    position: { ...position, [chunk.stream]: end },
  };
}

/** What the command's end says was written and has not come. */
export function missingAtEnd(position: OutputPosition, stream: StreamName, totalBytes: number) {
  return totalBytes > position[stream] ? { from: position[stream], to: totalBytes } : null;
}
