// A file of an export, cut into the pieces in which it is imported.
//
// 1. A piece begins with the file's first line and, but for the first one, the last line of the piece before. The last has the file's end.
// 2. No more is held than a piece and a line.

import { open } from 'node:fs/promises';
import { createCheckedLines } from './checked-lines.ts';

export interface FilePiece {
  bytes: Uint8Array<ArrayBuffer>;
  /** In the file, of a line of the piece, both counted from 1. */
  lineOf(line: number): number;
}

const pieceBytesMax = 1024 * 1024;
const pieceLinesMax = 2_000;
const newline = 0x0a;

/** @throws for a file that was cut off, or is not what it was. */
export async function checkFile(path: string): Promise<void> {
  const lines = createCheckedLines();
  for await (const chunk of chunksOf(path)) lines.add(chunk);
  try {
    lines.finish();
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`);
  }
}

export async function* filePieces(path: string): AsyncGenerator<FilePiece, void, undefined> {
  let header: Buffer | undefined;
  let held: Buffer[] = [];
  let bytes = 0;
  let number = 0;
  const piece = (): FilePiece => {
    const first = number - held.length + 1;
    return { bytes: Buffer.concat([header!, ...held]), lineOf: (line) => (line === 1 ? 1 : first + line - 2) };
  };
  for await (const line of linesOf(path)) {
    number += 1;
    if (!header) {
      header = line;
      continue;
    }
    if (held.length > 1 && (bytes + line.length > pieceBytesMax || held.length >= pieceLinesMax)) {
      number -= 1;
      yield piece();
      number += 1;
      held = held.slice(-1);
      bytes = held[0]!.length;
    }
    held.push(line);
    bytes += line.length;
  }
  if (header) yield piece();
}

async function* linesOf(path: string): AsyncGenerator<Buffer, void, undefined> {
  let parts: Buffer[] = [];
  for await (const chunk of chunksOf(path)) {
    let from = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, from)) {
      yield Buffer.concat([...parts, chunk.subarray(from, end + 1)]);
      parts = [];
      from = end + 1;
    }
    if (from < chunk.length) parts.push(chunk.subarray(from));
  }
  if (parts.length > 0) yield Buffer.concat(parts);
}

async function* chunksOf(path: string): AsyncGenerator<Buffer, void, undefined> {
  const file = await open(path, 'r');
  yield* file.createReadStream() as AsyncIterable<Buffer>;
}
