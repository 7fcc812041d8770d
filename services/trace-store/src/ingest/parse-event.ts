// A stored message as an event, or the reason why it is none.
//
// 1. What passes agrees with its subject: organization, session, producer. A tenant cannot be written to by another's subject.
// 2. What passes can be stored: numbers are exact, the time is one that ClickHouse can hold.

import { fromBinary } from '@bufbuild/protobuf';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import { type EventCase, type EventPayload, type EventType, eventType } from '@worktrail/contract/event-types';
import { limits } from '@worktrail/contract/limits';
import { type Event, EventSchema } from '@worktrail/proto/event';
import { producerKey, sessionKey } from './event-keys.ts';

/** One message as the stream holds it. */
export interface StreamMessage {
  subject: string;
  sequence: number;
  data: Uint8Array;
}

export interface ParsedEvent {
  /** Of its producer, and of its session, among all. */
  producerKey: string;
  sessionKey: string;
  sequence: number;
  /** 0 for an event of the stream; else its place behind the sequence. */
  fill: number;
  event: Event;
  payload: EventPayload;
  type: EventType;
  number: number;
  time: Date;
  /** The message's own bytes. */
  data: Uint8Array;
}

export class UnstorableMessage extends Error {}

const token = /^[A-Za-z0-9_-]{1,128}$/;
/** So that an offset and a length together are exact. */
export const offsetMax = BigInt(limits.outputOffsetMax);
const timeMsMin = Date.parse('1970-01-01T00:00:00Z');
const timeMsMax = Date.parse('2200-01-01T00:00:00Z');

/** @throws UnstorableMessage with the reason. */
export function parseEvent(message: StreamMessage): ParsedEvent {
  const event = decode(message.data);
  checkSubject(message.subject, event);
  const payload = event.payload;
  if (payload.case === undefined) throw new UnstorableMessage('the event has no payload');
  if (event.number < 1n || event.number > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new UnstorableMessage(`number ${event.number} is out of range`);
  }
  if (!event.time) throw new UnstorableMessage('the event has no time');
  const time = timestampDate(event.time);
  if (!isStorableTime(time)) throw new UnstorableMessage('the time is out of range');
  if (payload.case === 'commandOutput') checkOffsets(payload.value.offset, payload.value.position);
  const type = eventType(payload.case as EventCase);
  const { sequence, data } = message;
  const keys = { producerKey: producerKey(event), sessionKey: sessionKey(event) };
  return { ...keys, sequence, fill: 0, event, payload, type, number: Number(event.number), time, data };
}

/** The same event, held as its message alone: many wait to be stored, and few are looked into again. */
export function heldEvent(parsed: ParsedEvent): ParsedEvent {
  const { producerKey: ofProducer, sessionKey: ofSession, sequence, fill, type, number, time, data } = parsed;
  return {
    ...{ producerKey: ofProducer, sessionKey: ofSession, sequence, fill, type, number, time, data },
    get event() {
      return decode(data);
    },
    get payload() {
      return decode(data).payload as EventPayload;
    },
  };
}

/** Whether ClickHouse can hold it; an invalid date is not. */
export function isStorableTime(time: Date): boolean {
  return time.getTime() >= timeMsMin && time.getTime() < timeMsMax;
}

function decode(data: Uint8Array): Event {
  try {
    return fromBinary(EventSchema, data);
  } catch (error) {
    throw new UnstorableMessage(`not a protobuf Event: ${(error as Error).message}`);
  }
}

function checkSubject(subject: string, event: Event): void {
  const [, , , organization, session, producer, ...rest] = subject.split('.');
  if (!organization || !session || !producer || rest.length > 0) {
    throw new UnstorableMessage(`the subject ${subject} is not one of an event`);
  }
  for (const [name, inSubject, inEvent] of [
    ['organization', organization, event.organizationId],
    ['session', session, event.sessionId],
    ['producer', producer, event.producer],
  ] as const) {
    if (!token.test(inSubject)) throw new UnstorableMessage(`the ${name} in the subject is malformed`);
    if (inSubject !== inEvent) throw new UnstorableMessage(`the ${name} is not the one in the subject`);
  }
}

function checkOffsets(...offsets: bigint[]): void {
  for (const offset of offsets) {
    if (offset > offsetMax) throw new UnstorableMessage(`offset ${offset} is out of range`);
  }
}
