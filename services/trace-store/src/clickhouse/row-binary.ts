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
  /** Array. */
  array<Value>(values: readonly Value[], put: (value: Value) => void): void;
  int32(value: number): void;
  /** What is encoded already. */
  raw(encoded: Uint8Array): void;
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
  /** A row that is put otherwise; nothing of it is there where `put` throws or answers false. @returns where it ends. */
  put(put: (writer: SpanWriter) => boolean): number | undefined;
  rows(): Buffer;
  /** For other rows, in the same memory. */
  clear(): void;
}

/** Takes bytes out of messages as they are. */
export interface SpanWriter extends RowWriter {
  /** String of ASCII from `start` to `end` of it. @returns false where it is not ASCII. */
  ascii(message: Uint8Array, start: number, end: number): boolean;
  /** String of so many bytes; they follow by `part`. */
  textOf(bytes: number): void;
  part(message: Uint8Array, start: number, end: number): void;
}

/** `bytesExpected`: what is told well is not copied again. */
export function createRowBuffer<Row>(columns: readonly Column<Row>[], bytesExpected: number): RowBuffer<Row> {
  const writer = createWriter(bytesExpected);

  function put(putRow: (to: Writer) => boolean): number | undefined {
    const start = writer.size();
    let isPut = false;
    try {
      isPut = putRow(writer);
    } finally {
      if (!isPut) writer.cut(start);
    }
    return isPut ? writer.size() : undefined;
  }

  return {
    put,
    add: (row) =>
      put((to) => {
        for (const column of columns) column.put(to, row);
        return true;
      })!,
    rows: () => writer.written(),
    clear: () => writer.cut(0),
  };
}

export function columnNames(columns: readonly { name: string }[]): string[] {
  return columns.map(({ name }) => name);
}

/** What is short is copied letter by letter: quicker than a call of the engine. */
const shortLength = 48;
const lengthBytesMax = 5;
const word = 2 ** 32;

interface Writer extends SpanWriter {
  size(): number;
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
    array: (values, put) => {
      reserve(lengthBytesMax);
      putLength(values.length);
      for (const value of values) put(value);
    },
    raw: (encoded) => {
      reserve(encoded.length);
      out.set(encoded, at);
      at += encoded.length;
    },
    ascii: (message, start, end) => {
      reserve(lengthBytesMax + end - start);
      putLength(end - start);
      for (let index = start; index < end; index++) {
        const byte = message[index]!;
        if (byte > 0x7f) return false;
        out[at++] = byte;
      }
      return true;
    },
    textOf: (bytes) => {
      reserve(lengthBytesMax);
      putLength(bytes);
    },
    part: (message, start, end) => {
      reserve(end - start);
      if (end - start > shortLength) out.set(message.subarray(start, end), at);
      else for (let index = start; index < end; index++) out[at + index - start] = message[index]!;
      at += end - start;
    },
    size: () => at,
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
