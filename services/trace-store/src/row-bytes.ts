// Rows as bytes, in both directions, without text in between: what is written as TabSeparated, what is read from RowBinary.
//
// Strings are bytes to ClickHouse: an output's bytes go in and come out as they are, UTF-8 or not.

export type Cell = string | number | Uint8Array;

const tab = 0x09;
const newline = 0x0a;
const carriageReturn = 0x0d;
const backslash = 0x5c;
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

  const reserve = (bytes: number): void => {
    if (at + bytes <= out.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(at + bytes, Math.ceil(out.length * 1.5)));
    out.copy(grown, 0, 0, at);
    out = grown;
  };
  const put = (cell: Cell): void => {
    const bytes = typeof cell === 'object' ? cell : Buffer.from(String(cell));
    reserve(bytes.length);
    for (let from = 0; from < bytes.length; ) {
      from += putPlain(bytes, from);
      if (from === bytes.length) return;
      // Room for the escape, and for all that is left as it is.
      reserve(2 + bytes.length - from - 1);
      out[at++] = backslash;
      out[at++] = escapes[bytes[from++]!]!;
    }
  };
  /** What needs no escape, up to the end or the first byte that does. */
  const putPlain = (bytes: Uint8Array, from: number): number => {
    const start = at;
    for (let index = from; index < bytes.length; index++) {
      const byte = bytes[index]!;
      if (escapes[byte] !== 0) break;
      out[at++] = byte;
    }
    return at - start;
  };

  for (const row of rows) {
    for (const [index, cell] of row.entries()) {
      put(cell);
      reserve(1);
      out[at++] = index === row.length - 1 ? newline : tab;
    }
  }
  return out.subarray(0, at);
}

function sizeOf(cell: Cell): number {
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
