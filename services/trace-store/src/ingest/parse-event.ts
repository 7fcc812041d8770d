// A stored message as an event, or the reason why it is none.
//
// 1. What passes agrees with its subject: organization, session, producer. A tenant cannot be written to by another's subject.
// 2. What passes can be stored: numbers are exact, the time is one that ClickHouse can hold.

import { fromBinary } from '@bufbuild/protobuf';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import { type EventCase, type EventPayload, type EventType, eventType } from '@worktrail/contract/event-types';
import { limits } from '@worktrail/contract/limits';
import { type Event, EventSchema } from '@worktrail/proto/event';
import { type Source, sourceOf } from './sources.ts';
import { type StreamMessage, UnstorableMessage } from './stream-message.ts';

export interface ParsedEvent {
  /** Of its producer, and of its session, among all. */
  readonly producerKey: string;
  readonly sessionKey: string;
  readonly sequence: number;
  /** 0 for an event of the stream; else its place behind the sequence. */
  readonly fill: number;
  /** Not to be asked of each: where many are held it is decoded again. */
  readonly event: Event;
  readonly payload: EventPayload;
  readonly type: EventType;
  readonly number: number;
  readonly time: Date;
  /** Of its message. */
  readonly size: number;
}

/** With the message that it is. */
export interface MessageEvent extends ParsedEvent {
  readonly data: Uint8Array;
}

/** So that an offset and a length together are exact. */
export const offsetMax = BigInt(limits.outputOffsetMax);
const timeMsMax = Date.parse('2200-01-01T00:00:00Z');

/** @throws UnstorableMessage with the reason. */
export function parseEvent(message: StreamMessage, source = sourceOf(message.subject)): MessageEvent {
  const event = decode(message.data);
  checkSource(source, event);
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
  const keys = { producerKey: source.key, sessionKey: source.session.key };
  const number = Number(event.number);
  return { ...keys, sequence, fill: 0, event, payload, type, number, time, size: data.length, data };
}

/** Whether ClickHouse can hold it; an invalid date is not. */
export function isStorableTime(time: Date): boolean {
  return time.getTime() >= 0 && time.getTime() < timeMsMax;
}

function decode(data: Uint8Array): Event {
  try {
    return fromBinary(EventSchema, data);
  } catch (error) {
    throw new UnstorableMessage(`not a protobuf Event: ${(error as Error).message}`);
  }
}

function checkSource({ session, producer }: Source, event: Event): void {
  for (const [name, inSubject, inEvent] of [
    ['organization', session.organizationId, event.organizationId],
    ['session', session.sessionId, event.sessionId],
    ['producer', producer, event.producer],
  ] as const) {
    if (inSubject !== inEvent) throw new UnstorableMessage(`the ${name} is not the one in the subject`);
  }
}

function checkOffsets(...offsets: bigint[]): void {
  for (const offset of offsets) {
    if (offset > offsetMax) throw new UnstorableMessage(`offset ${offset} is out of range`);
  }
}
