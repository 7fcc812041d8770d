// The bytes of an export, checked against its last line: that has the SHA-256 of all that came before.

import { createHash } from 'node:crypto';

export interface CheckedLines {
  /** The whole lines that are known not to be the last one, as they are to be written. */
  add(chunk: Uint8Array): Buffer;
  /** The last line, once it is checked. @throws when there is none, or it says something else of what came before. */
  finish(): string;
}

const newline = 0x0a;
const sum = /\b[0-9a-f]{64}\b(?![^]*\b[0-9a-f]{64}\b)/;

export function createCheckedLines(): CheckedLines {
  const hash = createHash('sha256');
  let rest = Buffer.alloc(0);
  return {
    add: (chunk) => {
      const all = rest.length > 0 ? Buffer.concat([rest, chunk]) : Buffer.from(chunk);
      // A line end that is the last byte may be that of the last line.
      const end = all.length < 2 ? 0 : all.lastIndexOf(newline, all.length - 2) + 1;
      rest = all.subarray(end);
      const whole = all.subarray(0, end);
      hash.update(whole);
      return whole;
    },
    finish: () => {
      const last = rest.toString('utf8');
      const said = last.endsWith('\n') ? sum.exec(last)?.[0] : undefined;
      if (said === undefined) throw new Error('the export was cut off');
      if (said !== hash.digest('hex')) throw new Error('the export is not what its checksum says');
      return last;
    },
  };
}
