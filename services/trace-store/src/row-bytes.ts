// Rows as bytes, in both directions, without text in between: what is written as TabSeparated, what is read from RowBinary.
//
// Strings are bytes to ClickHouse: an output's bytes go in and come out as they are, UTF-8 or not.

/** null: of a column that may have no value. */
export type Cell = string | number | Uint8Array | null;

const tab = 0x09;
const newline = 0x0a;
const carriageReturn = 0x0d;
const backslash = 0x5c;
/**
 * In process ClickHouse looks for hints to its own test runner, as "-- { retry 3 }", in all that it is sent, rows too: without a brace there
 * is none. Written by its number, it is read as itself.
 */
const brace = 0x7b;
const braceEscaped = Buffer.from('\\x7B');
const noValue = Buffer.from('\\N');
/** By byte: what stands behind the backslash; 0 for a byte that stands for itself. */
const escapes = new Uint8Array(256);
escapes[tab] = 0x74;
escapes[newline] = 0x6e;
escapes[carriageReturn] = 0x72;
escapes[backslash] = backslash;

/** TabSeparated: a line for each row. */
export function tabSeparated(rows: readonly (readonly Cell[])[]): Buffer {
  const least = rows.reduce((sum, row) => sum + row.reduce<number>((bytes, cell) => bytes + sizeOf(cell) + 1, 0), 0);
  let out = Buffer.allocUnsafeSlow(least + Math.ceil(least / 16));
  let at = 0;
  for (const row of rows) {
    for (const [index, cell] of row.entries()) {
      const bytes = bytesOf(cell);
      const bytesMax = braceEscaped.length * bytes.length + 1;
      if (at + bytesMax > out.length) out = grown(out, at, bytesMax);
      at = cell === null ? at + noValue.copy(out, at) : putEscaped(out, at, bytes);
      out[at++] = index === row.length - 1 ? newline : tab;
    }
  }
  return out.subarray(0, at);
}

function grown(out: Buffer, used: number, more: number): Buffer<ArrayBuffer> {
  const larger = Buffer.allocUnsafeSlow(Math.max(used + more, Math.ceil(out.length * 1.25)));
  out.copy(larger, 0, 0, used);
  return larger;
}

function putEscaped(out: Uint8Array, start: number, bytes: Uint8Array): number {
  const { length } = bytes;
  let at = start;
  for (let index = 0; index < length; index++) {
    const byte = bytes[index]!;
    // Nearly every byte: no look-up for it.
    if (byte > carriageReturn && byte !== backslash && byte !== brace) {
      out[at++] = byte;
      continue;
    }
    if (byte === brace) {
      out.set(braceEscaped, at);
      at += braceEscaped.length;
      continue;
    }
    const escape = escapes[byte]!;
    if (escape !== 0) out[at++] = backslash;
    out[at++] = escape === 0 ? byte : escape;
  }
  return at;
}

function bytesOf(cell: Cell): Uint8Array {
  if (cell === null) return noValue;
  return typeof cell === 'object' ? cell : Buffer.from(String(cell));
}

function sizeOf(cell: Cell): number {
  if (cell === null) return noValue.length;
  return typeof cell === 'object' ? cell.length : String(cell).length;
}

export interface RowBinaryReader {
  isAtEnd(): boolean;
  /** UInt64. @throws where it is above what a number can hold exactly. */
  number(): number;
  /** String: a view of the answer. */
  bytes(): Buffer;
}

export function readRowBinary(answer: Buffer): RowBinaryReader {
  let at = 0;
  const length = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = answer.readUInt8(at++);
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  return {
    isAtEnd: () => at >= answer.length,
    number: () => {
      const value = answer.readBigUInt64LE(at);
      at += 8;
      if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new RangeError(`${value} of ClickHouse is no exact number`);
      return Number(value);
    },
    bytes: () => {
      const size = length();
      if (at + size > answer.length) throw new RangeError('an answer of ClickHouse is cut off');
      at += size;
      return answer.subarray(at - size, at);
    },
  };
}
