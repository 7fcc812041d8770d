// The published message of an output without the output's bytes, which have a column of their own: cut out of the bytes as they came,
// so that fields which this version does not know stay.
//
// It is done where the message is laid out as publishers lay it out (the payload once, its bytes in the middle or at the end of it);
// of another the message is written anew.

import { toBinary } from '@bufbuild/protobuf';
import { type CommandOutput, CommandOutputSchema, type Event, EventSchema } from '@worktrail/proto/event';

const payloadField = EventSchema.field.commandOutput.number;
const bytesField = CommandOutputSchema.field.bytes.number;
const lengthDelimited = 2;

/** `data`: what the event was read from. */
export function messageWithoutBytes(data: Uint8Array, event: Event, output: CommandOutput): Uint8Array {
  if (output.bytes.length === 0) return data;
  return cut(data, output.bytes) ?? toBinary(EventSchema, withoutBytes(event, output));
}

/** The same event without the bytes. */
export function withoutBytes(event: Event, output: CommandOutput): Event {
  return { ...event, payload: { case: 'commandOutput', value: { ...output, bytes: new Uint8Array(0) } } };
}

function cut(data: Uint8Array, bytes: Uint8Array): Uint8Array | undefined {
  const payload = onlyField(data, 0, data.length, payloadField);
  if (!payload) return undefined;
  const inner = onlyField(data, payload.start, payload.end, bytesField);
  const isWhereRead = inner && data.buffer === bytes.buffer && data.byteOffset + inner.start === bytes.byteOffset;
  if (!isWhereRead || inner.end - inner.start !== bytes.length) return undefined;
  const length = varint(payload.end - payload.start - (inner.end - inner.tag));
  return Buffer.concat([
    data.subarray(0, payload.tag),
    varint(payloadField * 8 + lengthDelimited),
    length,
    data.subarray(payload.start, inner.tag),
    data.subarray(inner.end),
  ]);
}

interface Field {
  /** Where its tag begins. */
  tag: number;
  /** Its content. */
  start: number;
  end: number;
}

/** The length-delimited field of this number; undefined where it is not there once, or the message holds what is not understood. */
function onlyField(data: Uint8Array, start: number, end: number, number: number): Field | undefined {
  let found: Field | undefined;
  for (let at = start; at < end; ) {
    const tag = at;
    const key = readVarint(data, at);
    if (!key) return undefined;
    at = key.end;
    const skipped = skip(data, at, key.value & 7);
    if (skipped === undefined || skipped.end > end) return undefined;
    if (Math.floor(key.value / 8) === number) {
      if (found || (key.value & 7) !== lengthDelimited) return undefined;
      found = { tag, start: skipped.start, end: skipped.end };
    }
    at = skipped.end;
  }
  return found;
}

function skip(data: Uint8Array, at: number, wireType: number): { start: number; end: number } | undefined {
  switch (wireType) {
    case 0: {
      let end = at;
      while (end < data.length && data[end]! >= 0x80) end++;
      return { start: at, end: end + 1 };
    }
    case 1:
      return { start: at, end: at + 8 };
    case lengthDelimited: {
      const length = readVarint(data, at);
      return length && { start: length.end, end: length.end + length.value };
    }
    case 5:
      return { start: at, end: at + 4 };
    default:
      return undefined;
  }
}

/** Of up to four bytes: no field and no length is longer. */
function readVarint(data: Uint8Array, at: number): { value: number; end: number } | undefined {
  let value = 0;
  for (let index = 0; index < 4; index++) {
    const byte = data[at + index];
    if (byte === undefined) return undefined;
    value |= (byte & 0x7f) << (7 * index);
    if (byte < 0x80) return { value, end: at + index + 1 };
  }
  return undefined;
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let left = value;
  for (; left >= 0x80; left >>>= 7) bytes.push((left & 0x7f) | 0x80);
  return Uint8Array.from([...bytes, left]);
}
