// What an export that was cut off has left: whole lines, the last of which says where to go on.

import { createHash, type Hash } from 'node:crypto';
import { open } from 'node:fs/promises';

export interface PartialFile {
  /** Up to the end of its last whole line. */
  bytes: number;
  events: number;
  /** Of its last event; undefined where it has none. */
  cursor: string | undefined;
  /** How many of its events are of other sessions, by session. */
  inherited: Record<string, number>;
  /** Of these bytes. */
  hash: Hash;
}

const newline = 0x0a;
/** It was written and the file not renamed: it is made anew. */
const endLine = Buffer.from('{"end":');
/** No event is larger: it came through a stream that takes a mebibyte, as JSON and base64. */
const lineBytesMax = 16 * 1024 * 1024;

/** @throws for a file that is not the beginning of an export of this session. */
export async function readPartialFile(path: string, sessionId: string): Promise<PartialFile> {
  const file = await open(path, 'r');
  const partial: PartialFile = { bytes: 0, events: 0, cursor: undefined, inherited: {}, hash: createHash('sha256') };
  try {
    let lines = 0;
    let rest: Buffer = Buffer.alloc(0);
    let last: Buffer = rest;
    for await (const chunk of file.createReadStream({ autoClose: false }) as AsyncIterable<Buffer>) {
      rest = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
      if (rest.length > lineBytesMax) throw foreign(path);
      for (let end = rest.indexOf(newline); end >= 0; end = rest.indexOf(newline)) {
        const line = rest.subarray(0, end + 1);
        rest = rest.subarray(end + 1);
        if (lines === 0 && sessionOf(line) !== sessionId) throw foreign(path);
        if (line.subarray(0, endLine.length).equals(endLine)) break;
        partial.hash.update(line);
        partial.bytes += line.length;
        lines += 1;
        last = line;
        const of = /"sessionId":"(\w+)"/.exec(line.toString('latin1', 0, 400))?.[1];
        if (lines > 1 && of && of !== sessionId) partial.inherited[of] = (partial.inherited[of] ?? 0) + 1;
      }
    }
    if (lines > 1) {
      partial.events = lines - 1;
      partial.cursor = cursorOf(last);
      if (partial.cursor === undefined) throw foreign(path);
    }
    return partial;
  } finally {
    await file.close();
  }
}

export class ForeignFileError extends Error {}

function foreign(path: string): Error {
  return new ForeignFileError(`${path} is not the beginning of an export of this session`);
}

function sessionOf(line: Buffer): string | undefined {
  const header = parsed(line)?.['session'] as { id?: string } | undefined;
  return header?.id;
}

function cursorOf(line: Buffer): string | undefined {
  const cursor = parsed(line)?.['cursor'];
  return typeof cursor === 'string' ? cursor : undefined;
}

function parsed(line: Buffer): Record<string, unknown> | undefined {
  try {
    return JSON.parse(line.toString('utf8')) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
