// Rows as RowBinary, the bytes that ClickHouse takes without parsing text.
//
// Strings are bytes to ClickHouse: an output's bytes go in as they are, UTF-8 or not. Nothing is checked here but what would make a
// row unreadable: a number that is no whole number of its width.

export interface RowWriter {
  /** String. */
  text(value: string): void;
  /** String. */
  bytes(value: Uint8Array): void;
  uint16(value: number): void;
  uint32(value: number): void;
  /** Up to 2^53 - 1. */
  uint64(value: number): void;
  float64(value: number): void;
  /** DateTime64(3), from 1970 on. */
  time(value: Date): void;
  /** Nullable. */
  optional(value: number | null, put: (value: number) => void): void;
  int32(value: number): void;
}

export interface Column<Row> {
  name: string;
  put(writer: RowWriter, row: Row): void;
}

export interface BinaryRows {
  columns: readonly string[];
  rows: Buffer;
}

/** Rows as one block. */
export function binaryRows<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  bytesExpected: number,
): BinaryRows {
  const buffer = createRowBuffer(columns, bytesExpected);
  for (const row of rows) buffer.add(row);
  return { columns: columnNames(columns), rows: buffer.rows() };
}

export interface RowBuffer<Row> {
  /** @returns where it ends. @throws where a column cannot hold it; then nothing of it is there. */
  add(row: Row): number;
  rows(): Buffer;
}

/** `bytesExpected`: what is told well is not copied again. */
export function createRowBuffer<Row>(columns: readonly Column<Row>[], bytesExpected: number): RowBuffer<Row> {
  const writer = createWriter(bytesExpected);
  return {
    add: (row) => {
      const start = writer.length();
      try {
        for (const column of columns) column.put(writer, row);
        return writer.length();
      } catch (error) {
        writer.cut(start);
        throw error;
      }
    },
    rows: () => writer.written(),
  };
}

export function columnNames(columns: readonly { name: string }[]): string[] {
  return columns.map(({ name }) => name);
}

/** What is short is copied letter by letter: quicker than a call of the engine. */
const shortLength = 48;
const lengthBytesMax = 5;
const word = 2 ** 32;

interface Writer extends RowWriter {
  length(): number;
  cut(length: number): void;
  written(): Buffer;
}

function createWriter(bytesExpected: number): Writer {
  let out = Buffer.allocUnsafeSlow(Math.max(1024, bytesExpected));
  let view = new DataView(out.buffer, out.byteOffset, out.length);
  let at = 0;

  function reserve(bytes: number): void {
    if (at + bytes <= out.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(at + bytes, Math.ceil(out.length * 1.5)));
    out.copy(larger, 0, 0, at);
    out = larger;
    view = new DataView(out.buffer, out.byteOffset, out.length);
  }

  function putLength(value: number): void {
    let left = value;
    while (left >= 0x80) {
      out[at++] = (left & 0x7f) | 0x80;
      left >>>= 7;
    }
    out[at++] = left;
  }

  /** @returns whether all of it is ASCII; else nothing is written. */
  function putShort(value: string): boolean {
    reserve(1 + value.length);
    for (let index = 0; index < value.length; index++) {
      const code = value.charCodeAt(index);
      if (code > 0x7f) return false;
      out[at + 1 + index] = code;
    }
    out[at] = value.length;
    at += 1 + value.length;
    return true;
  }

  return {
    text: (value) => {
      if (value.length <= shortLength && putShort(value)) return;
      const bytes = Buffer.byteLength(value);
      reserve(lengthBytesMax + bytes);
      putLength(bytes);
      at += out.write(value, at, 'utf8');
    },
    bytes: (value) => {
      reserve(lengthBytesMax + value.length);
      putLength(value.length);
      out.set(value, at);
      at += value.length;
    },
    uint16: (value) => {
      reserve(2);
      view.setUint16(at, whole(value, 0, 0xffff), true);
      at += 2;
    },
    uint32: (value) => {
      reserve(4);
      view.setUint32(at, whole(value, 0, word - 1), true);
      at += 4;
    },
    uint64: (value) => {
      reserve(8);
      view.setUint32(at, whole(value, 0, Number.MAX_SAFE_INTEGER) % word, true);
      view.setUint32(at + 4, Math.floor(value / word), true);
      at += 8;
    },
    int32: (value) => {
      reserve(4);
      view.setInt32(at, whole(value, -(2 ** 31), 2 ** 31 - 1), true);
      at += 4;
    },
    float64: (value) => {
      reserve(8);
      view.setFloat64(at, value, true);
      at += 8;
    },
    time: (value) => {
      const ms = whole(value.getTime(), 0, Number.MAX_SAFE_INTEGER);
      reserve(8);
      view.setUint32(at, ms % word, true);
      view.setUint32(at + 4, Math.floor(ms / word), true);
      at += 8;
    },
    optional: (value, put) => {
      reserve(1);
      out[at++] = value === null ? 1 : 0;
      if (value !== null) put(value);
    },
    length: () => at,
    cut: (to) => {
      at = to;
    },
    written: () => out.subarray(0, at),
  };
}

function whole(value: number, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`${value} is no whole number from ${least} to ${most}`);
  }
  return value;
}
