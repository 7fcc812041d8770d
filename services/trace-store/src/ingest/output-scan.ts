// Where an output's fields are in its message, without a copy of any: half of all events, and nearly all bytes, are outputs.
//
// What is laid out otherwise than publishers lay it out (a field twice, one that is not known, a number that is longer than it needs to
// be) is not scanned, and is read by the library instead. Nothing is judged here but what numbers a row can hold.

import { TimestampSchema } from '@bufbuild/protobuf/wkt';
import { ActorSchema, CommandOutputSchema, EventSchema, Stream } from '@worktrail/proto/event';

/** Content of a field that is bytes; both 0 where it is not there. */
export interface Span {
  start: number;
  end: number;
}

export interface OutputScan {
  id: Span;
  organizationId: Span;
  projectId: Span;
  sessionId: Span;
  producer: Span;
  turnId: Span;
  commandId: Span;
  actorId: Span;
  actorKind: number;
  number: number;
  hasTime: boolean;
  seconds: number;
  nanos: number;
  generation: number;
  stream: Stream.STDOUT | Stream.STDERR;
  offset: number;
  position: number;
  /** The field of the event that is the output, from its tag on, and its content. */
  payloadTag: number;
  payload: Span;
  /** The output's own bytes likewise. */
  bytesTag: number;
  bytes: Span;
}

export interface OutputScanner {
  /** The same object each time. undefined where it is no output, or not laid out as known. */
  scan(message: Uint8Array): OutputScan | undefined;
}

const fields = {
  ...{ id: EventSchema.field.id.number, organizationId: EventSchema.field.organizationId.number },
  ...{ projectId: EventSchema.field.projectId.number, sessionId: EventSchema.field.sessionId.number },
  ...{ producer: EventSchema.field.producer.number, number: EventSchema.field.number.number },
  ...{ time: EventSchema.field.time.number, actor: EventSchema.field.actor.number },
  ...{ turnId: EventSchema.field.turnId.number, commandId: EventSchema.field.commandId.number },
  ...{ generation: EventSchema.field.generation.number, output: EventSchema.field.commandOutput.number },
} as const;
const outputFields = {
  ...{ stream: CommandOutputSchema.field.stream.number, offset: CommandOutputSchema.field.offset.number },
  ...{ position: CommandOutputSchema.field.position.number, bytes: CommandOutputSchema.field.bytes.number },
} as const;
const timeFields = {
  seconds: TimestampSchema.field.seconds.number,
  nanos: TimestampSchema.field.nanos.number,
} as const;
const actorFields = { kind: ActorSchema.field.kind.number, id: ActorSchema.field.id.number } as const;

const varint = 0;
const lengthDelimited = 2;
const uint32Max = 2 ** 32 - 1;
const int32Max = 2 ** 31 - 1;

export function createOutputScanner(): OutputScanner {
  const span = (): Span => ({ start: 0, end: 0 });
  const found: OutputScan = {
    ...{ id: span(), organizationId: span(), projectId: span(), sessionId: span(), producer: span() },
    ...{
      turnId: span(),
      commandId: span(),
      actorId: span(),
      actorKind: 0,
      number: 0,
      hasTime: false,
      seconds: 0,
      nanos: 0,
    },
    ...{ generation: 0, stream: Stream.STDOUT, offset: 0, position: 0 },
    ...{ payloadTag: 0, payload: span(), bytesTag: 0, bytes: span() },
  };
  let data: Uint8Array = new Uint8Array(0);
  let at = 0;
  let isKnown = true;

  /** Of up to 53 bits, in as few bytes as it needs. */
  function number(end: number): number {
    let value = 0;
    for (let scale = 1; at < end; scale *= 128) {
      const byte = data[at++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER || (byte === 0 && scale > 1)) isKnown = false;
        return value;
      }
      if (scale > 2 ** 49) break;
    }
    isKnown = false;
    return 0;
  }

  /** Moves behind it. */
  function content(of: Span, end: number): void {
    const length = number(end);
    of.start = at;
    of.end = at + length;
    at = of.end;
    if (at > end) isKnown = false;
  }

  /** Calls `field` at the content of each, which moves behind it. Only one field of those that are known has a number above 30. */
  function message(end: number, field: (key: number, tag: number, end: number) => void): void {
    let seen = 0;
    while (at < end && isKnown) {
      const tag = at;
      const key = number(end);
      const ofField = key >>> 3;
      const bit = 1 << (ofField < 31 ? ofField : 0);
      if ((seen & bit) !== 0) isKnown = false;
      seen |= bit;
      if (isKnown) field(key, tag, end);
    }
    if (at !== end) isKnown = false;
  }

  function eventField(key: number, tag: number, end: number): void {
    switch (key) {
      case fields.id * 8 + lengthDelimited:
        return content(found.id, end);
      case fields.organizationId * 8 + lengthDelimited:
        return content(found.organizationId, end);
      case fields.projectId * 8 + lengthDelimited:
        return content(found.projectId, end);
      case fields.sessionId * 8 + lengthDelimited:
        return content(found.sessionId, end);
      case fields.producer * 8 + lengthDelimited:
        return content(found.producer, end);
      case fields.turnId * 8 + lengthDelimited:
        return content(found.turnId, end);
      case fields.commandId * 8 + lengthDelimited:
        return content(found.commandId, end);
      case fields.number * 8 + varint:
        found.number = number(end);
        return;
      case fields.generation * 8 + varint:
        found.generation = number(end);
        if (found.generation > uint32Max) isKnown = false;
        return;
      case fields.time * 8 + lengthDelimited:
        found.hasTime = true;
        return inside(end, timeField);
      case fields.actor * 8 + lengthDelimited:
        return inside(end, actorField);
      case fields.output * 8 + lengthDelimited: {
        content(found.payload, end);
        found.payloadTag = tag;
        const { start, end: payloadEnd } = found.payload;
        at = start;
        if (isKnown) message(payloadEnd, outputField);
        return;
      }
      default:
        isKnown = false;
    }
  }

  function inside(end: number, field: (key: number, tag: number, end: number) => void): void {
    const length = number(end);
    if (at + length > end) isKnown = false;
    if (isKnown) message(at + length, field);
  }

  function timeField(key: number, _tag: number, end: number): void {
    if (key === timeFields.seconds * 8 + varint) found.seconds = number(end);
    else if (key === timeFields.nanos * 8 + varint) found.nanos = number(end);
    else isKnown = false;
    if (found.nanos >= 1e9) isKnown = false;
  }

  function actorField(key: number, _tag: number, end: number): void {
    if (key === actorFields.kind * 8 + varint) {
      found.actorKind = number(end);
      if (found.actorKind > int32Max) isKnown = false;
    } else if (key === actorFields.id * 8 + lengthDelimited) content(found.actorId, end);
    else isKnown = false;
  }

  function outputField(key: number, tag: number, end: number): void {
    switch (key) {
      case outputFields.stream * 8 + varint:
        found.stream = number(end);
        return;
      case outputFields.offset * 8 + varint:
        found.offset = number(end);
        return;
      case outputFields.position * 8 + varint:
        found.position = number(end);
        return;
      case outputFields.bytes * 8 + lengthDelimited:
        found.bytesTag = tag;
        return content(found.bytes, end);
      default:
        isKnown = false;
    }
  }

  function clear(): void {
    const { id, organizationId, projectId, sessionId, producer, turnId, commandId, actorId, payload, bytes } = found;
    for (const one of [id, organizationId, projectId, sessionId, producer, turnId, commandId, actorId, payload, bytes])
      one.start = one.end = 0;
    found.actorKind = found.number = found.seconds = found.nanos = found.generation = 0;
    found.stream = 0 as Stream.STDOUT;
    found.hasTime = false;
    found.offset = found.position = found.payloadTag = found.bytesTag = 0;
  }

  return {
    scan: (given) => {
      clear();
      [data, at, isKnown] = [given, 0, true];
      message(given.length, eventField);
      const hasStream = found.stream === Stream.STDOUT || found.stream === Stream.STDERR;
      return isKnown && hasStream && found.payload.end > 0 ? found : undefined;
    },
  };
}
