// The engine's Native blocks as the revision of a client's protocol has them: what one is told with client_protocol_version.
//
// 1. Of revision 0 they are what the engine writes. From 1 on a block begins with its info; from 54454 on there stands behind the type of a column
//    whether it is serialized in another way than usual: never here.
// 2. Where a column ends follows from its type and from nothing else: of a type that is not known here, a block is refused.
// 3. The values are passed on as they came, in pieces of any size.

import { QueryRefused } from './confinement.ts';

const customSerializationSince = 54_454;
/** No overflow rows, no bucket. */
const blockInfo = Buffer.from([1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0]);
const usually = Buffer.from([0]);

/** More bytes belong to it than there are. */
class Incomplete extends Error {}

/** @param pieces of whole blocks, cut anywhere */
export async function* nativeAt(revision: number, pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array = new Uint8Array();
  for await (const piece of pieces) {
    if (revision === 0) {
      yield piece;
      continue;
    }
    rest = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    while (rest.length > 0) {
      const found = blockAt(revision, rest);
      if (!found) break;
      yield Buffer.concat(found.parts);
      rest = rest.subarray(found.end);
    }
  }
  if (rest.length > 0) throw new Error('the answer ends within a block');
}

/** A block of these columns without rows. */
export function emptyBlock(columns: readonly { name: string; type: string }[], revision: number): Uint8Array {
  const text = (value: string) => [lengthPrefix(Buffer.byteLength(value)), Buffer.from(value)];
  return Buffer.concat([
    ...(revision > 0 ? [blockInfo] : []),
    lengthPrefix(columns.length),
    lengthPrefix(0),
    ...columns.flatMap(({ name, type }) => [
      ...text(name),
      ...text(type),
      ...(revision >= customSerializationSince ? [usually] : []),
    ]),
  ]);
}

/** Seven bits a byte, the low ones first. */
function lengthPrefix(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.from([...bytes, rest]);
}

function blockAt(revision: number, bytes: Uint8Array): { parts: Uint8Array[]; end: number } | undefined {
  const reader = new Reader(bytes);
  const parts: Uint8Array[] = [blockInfo];
  let from = 0;
  try {
    const [columns, rows] = [reader.length(), reader.length()];
    for (let column = 0; column < columns; column++) {
      reader.text();
      const shape = shapeOf(reader.text());
      if (revision >= customSerializationSince) {
        parts.push(bytes.subarray(from, reader.at), usually);
        from = reader.at;
      }
      if (rows === 0) continue;
      shape.prefix(reader);
      shape.values(reader, rows);
    }
  } catch (error) {
    if (error instanceof Incomplete) return undefined;
    throw error;
  }
  return { parts: [...parts, bytes.subarray(from, reader.at)], end: reader.at };
}

class Reader {
  at = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  skip(bytes: number): void {
    if (this.at + bytes > this.#bytes.length) throw new Incomplete();
    this.at += bytes;
  }

  length(): number {
    for (let [value, factor] = [0, 1]; ; factor *= 0x80) {
      const byte = this.#bytes[this.at];
      if (byte === undefined) throw new Incomplete();
      this.at += 1;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  }

  text(): string {
    const length = this.length();
    const from = this.at;
    this.skip(length);
    return Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset + from, length).toString('utf8');
  }

  number(): number {
    const from = this.at;
    this.skip(8);
    return Number(this.#view.getBigUint64(from, true));
  }
}

/** Of a column: what stands before its values, and how long those are. */
interface Shape {
  prefix(reader: Reader): void;
  values(reader: Reader, rows: number): void;
}

const nothing = () => {};
const wide = (bytes: number): Shape => ({ prefix: nothing, values: (reader, rows) => reader.skip(rows * bytes) });

const widths: Readonly<Record<string, number>> = {
  ...{ Nothing: 1, Bool: 1, Int8: 1, UInt8: 1, Enum8: 1 },
  ...{ Int16: 2, UInt16: 2, Enum16: 2, Date: 2, BFloat16: 2 },
  ...{ Int32: 4, UInt32: 4, Float32: 4, Date32: 4, DateTime: 4, Time: 4, IPv4: 4 },
  ...{ Int64: 8, UInt64: 8, Float64: 8, DateTime64: 8, Time64: 8 },
  ...{ Int128: 16, UInt128: 16, UUID: 16, IPv6: 16, Int256: 32, UInt256: 32 },
};

const string: Shape = {
  prefix: nothing,
  values: (reader, rows) => {
    for (let row = 0; row < rows; row++) reader.skip(reader.length());
  },
};

function shapeOf(type: string): Shape {
  const name = /^\w+/.exec(type)?.[0] ?? '';
  const parts = type.length > name.length ? elements(type.slice(name.length + 1, -1)) : [];
  const inner = () => shapeOf(parts[0] ?? '');
  if (name === 'String') return string;
  if (name === 'FixedString') return wide(Number(parts[0]));
  if (name === 'Decimal') return wide(decimalBytes(Number(parts[0])));
  if (name.startsWith('Interval')) return wide(8);
  if (Object.hasOwn(widths, name)) return wide(widths[name]!);
  if (name === 'Nullable') return nullable(inner());
  if (name === 'LowCardinality') return dictionary(shapeOf(/^Nullable\((.*)\)$/s.exec(parts[0]!)?.[1] ?? parts[0]!));
  if (name === 'Array') return array(inner());
  if (name === 'Map') return array(tuple(parts.map(shapeOf)));
  if (name === 'Tuple') return tuple(parts.map((part) => shapeOf(withoutName(part))));
  throw new QueryRefused(`values of the type ${type.slice(0, 100)} cannot be written in this format`);
}

function decimalBytes(digits: number): number {
  if (digits <= 9) return 4;
  if (digits <= 18) return 8;
  return digits <= 38 ? 16 : 32;
}

const nullable = (inner: Shape): Shape => ({
  prefix: (reader) => inner.prefix(reader),
  values: (reader, rows) => {
    reader.skip(rows);
    inner.values(reader, rows);
  },
});

const array = (inner: Shape): Shape => ({
  prefix: (reader) => inner.prefix(reader),
  values: (reader, rows) => {
    if (rows === 0) return;
    reader.skip((rows - 1) * 8);
    // Where the last one ends.
    inner.values(reader, reader.number());
  },
});

const tuple = (inner: readonly Shape[]): Shape => ({
  prefix: (reader) => inner.forEach((one) => one.prefix(reader)),
  values: (reader, rows) => {
    if (inner.length === 0) reader.skip(rows);
    for (const one of inner) one.values(reader, rows);
  },
});

const keysAreHere = 0x200;

const dictionary = (inner: Shape): Shape => ({
  prefix: (reader) => reader.skip(8),
  values: (reader, rows) => {
    if (rows === 0) return;
    const flags = reader.number();
    if ((flags & keysAreHere) === 0) throw new Error('a dictionary is not in its block');
    inner.values(reader, reader.number());
    reader.skip(reader.number() * 2 ** (flags & 0xff));
  },
});

/** What stands between the commas of a type; texts of an Enum may hold any sign. */
function elements(list: string): string[] {
  const found: string[] = [];
  let [depth, from] = [0, 0];
  for (const { 0: sign, index } of list.matchAll(/'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|[(),]/gs)) {
    if (sign === '(') depth += 1;
    if (sign === ')') depth -= 1;
    if (sign !== ',' || depth > 0) continue;
    found.push(list.slice(from, index).trim());
    from = index + 1;
  }
  const last = list.slice(from).trim();
  return last === '' ? found : [...found, last];
}

/** `name Type`, or a type alone. */
function withoutName(element: string): string {
  return /^(?:`(?:[^`\\]|\\.)*`|\w+) +(\w.*)$/s.exec(element)?.[1] ?? element;
}
