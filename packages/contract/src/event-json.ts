// The public JSON of an event: derived from its protobuf message field by field, so a new field needs no code here.
//
// camelCase names · bytes as base64 · 64-bit integers as numbers · enums as lower-case names without their prefix ·
// timestamps as ISO 8601 with milliseconds · fields without presence always stand there, absent optional ones do not.

import type { DescField, DescMessage, Message } from '@bufbuild/protobuf';
import { ScalarType } from '@bufbuild/protobuf';
import { type Timestamp, timestampDate } from '@bufbuild/protobuf/wkt';
import { base64Encode } from '@bufbuild/protobuf/wire';
import { reflect } from '@bufbuild/protobuf/reflect';
import { ActorKind, type Event, EventSchema } from '@worktrail/proto/event';
import { type Cursor, formatCursor } from './cursor.ts';
import { type EventType, eventType } from './event-types.ts';

export interface PublicEvent {
  cursor: string;
  id: string;
  sessionId: string;
  turnId?: string;
  commandId?: string;
  type: EventType;
  time: string;
  actor: { kind: 'user' | 'agent' | 'system'; id: string };
  data: Record<string, unknown>;
}

/** @throws when the event carries no payload: such an event is never stored. */
export function publicEvent(event: Event, cursor: Cursor): PublicEvent {
  if (event.payload.case === undefined) throw new Error(`event ${event.id} has no payload`);
  return {
    cursor: formatCursor(cursor),
    id: event.id,
    sessionId: event.sessionId,
    ...(event.turnId && { turnId: event.turnId }),
    ...(event.commandId && { commandId: event.commandId }),
    type: eventType(event.payload.case),
    time: event.time ? timestampDate(event.time).toISOString() : new Date(0).toISOString(),
    actor: { kind: actorKinds[event.actor?.kind ?? ActorKind.SYSTEM] ?? 'system', id: event.actor?.id ?? '' },
    data: eventData(event),
  };
}

/** The `data` of an event: its payload's fields; output that is valid UTF-8 also as `text`. */
export function eventData(event: Event): Record<string, unknown> {
  const payload = event.payload;
  if (payload.case === undefined) return {};
  const field = EventSchema.fields.find((candidate) => candidate.localName === payload.case);
  if (field?.fieldKind !== 'message') return {};
  const data = messageJson(field.message, payload.value);
  if (payload.case === 'commandOutput') {
    const text = utf8Text(payload.value.bytes);
    if (text !== undefined) data['text'] = text;
  }
  return data;
}

const actorKinds: Partial<Record<ActorKind, 'user' | 'agent' | 'system'>> = {
  [ActorKind.USER]: 'user',
  [ActorKind.AGENT]: 'agent',
  [ActorKind.SYSTEM]: 'system',
};

function utf8Text(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function messageJson(schema: DescMessage, message: Message): Record<string, unknown> {
  const json: Record<string, unknown> = {};
  const values = message as unknown as Record<string, unknown>;
  const reflected = reflect(schema, message);
  for (const field of schema.fields) {
    if (field.presence === 1 && !reflected.isSet(field)) continue;
    if (field.fieldKind === 'message' && values[field.localName] === undefined) continue;
    json[field.localName] = fieldJson(field, values[field.localName]);
  }
  return json;
}

function fieldJson(field: DescField, value: unknown): unknown {
  switch (field.fieldKind) {
    case 'scalar':
      return scalarJson(field.scalar, value);
    case 'enum':
      return enumJson(field.enum, value as number);
    case 'message':
      return childJson(field.message, value as Message);
    case 'list':
      return (value as unknown[]).map((item) => {
        if (field.listKind === 'message') return childJson(field.message, item as Message);
        if (field.listKind === 'enum') return enumJson(field.enum, item as number);
        return scalarJson(field.scalar, item);
      });
    case 'map':
      return value;
  }
}

function childJson(schema: DescMessage, message: Message): unknown {
  if (schema.typeName === 'google.protobuf.Timestamp') return timestampDate(message as Timestamp).toISOString();
  return messageJson(schema, message);
}

function scalarJson(scalar: ScalarType, value: unknown): unknown {
  if (scalar === ScalarType.BYTES) return base64Encode(value as Uint8Array);
  return typeof value === 'bigint' ? Number(value) : value;
}

function enumJson(
  schema: { value: Record<number, { name: string }>; sharedPrefix?: string | undefined },
  value: number,
): string | null {
  if (value === 0) return null;
  const name = schema.value[value]?.name ?? String(value);
  return name.toLowerCase().slice(schema.sharedPrefix?.length ?? 0);
}
