// A page of a history as the answer that carries it: the bytes of its events as they are stored, neither decoded nor encoded again.
//
// Who reads the answer finds the events of `storedEvent`. The bytes of an output stand behind its message as a second piece of its payload:
// protobuf lays the pieces of one field together.

import { create, toBinary } from '@bufbuild/protobuf';
import { CommandOutputSchema, EventSchema } from '@worktrail/proto/event';
import {
  CursorSchema,
  type ListEventsResponse,
  ListEventsResponseSchema,
  StoredEventSchema,
} from '@worktrail/proto/trace';
import { cursorMessage } from './asked.ts';
import type { HistoryPage } from '../history/history.ts';

const lengthDelimited = 2;
const eventsField = ListEventsResponseSchema.field.events.number;
const cursorField = StoredEventSchema.field.cursor.number;
const eventField = StoredEventSchema.field.event.number;
const outputField = EventSchema.field.commandOutput.number;
const outputBytesField = CommandOutputSchema.field.bytes.number;

export function pageMessage({ events, next, complete }: HistoryPage): ListEventsResponse {
  const response = create(ListEventsResponseSchema, { next: cursorMessage(next), complete });
  const encoded = Buffer.concat(events.flatMap(storedEventPieces));
  // The library puts what it does not know behind what it knows, as it stands: the events all together, the tag of the first left to it.
  const data = encoded.subarray(tag(eventsField).length);
  if (events.length > 0) response.$unknown = [{ no: eventsField, wireType: lengthDelimited, data }];
  return response;
}

function storedEventPieces({ cursor, message, body }: HistoryPage['events'][number]): Uint8Array[] {
  const event = body ? [message, ...field(outputField, field(outputBytesField, [body]))] : [message];
  const place = toBinary(CursorSchema, create(CursorSchema, cursorMessage(cursor)));
  return field(eventsField, [...field(cursorField, [place]), ...field(eventField, event)]);
}

/** A field with this content, which stays in its pieces. */
function field(number: number, content: readonly Uint8Array[]): Uint8Array[] {
  const length = content.reduce((sum, piece) => sum + piece.length, 0);
  return [tag(number), varint(length), ...content];
}

function tag(number: number): Uint8Array {
  return varint(number * 8 + lengthDelimited);
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let left = value;
  for (; left >= 0x80; left >>>= 7) bytes.push((left & 0x7f) | 0x80);
  return Uint8Array.of(...bytes, left);
}
