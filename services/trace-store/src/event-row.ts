// An event as a row of events_v1, of an output with its bytes as a row of command_output_v1, and back.
//
// `message` holds the published bytes except an output's own bytes, which are the `body` of the other row: nothing is stored twice, and
// `storedEvent(message, body)` is the event, fields this version does not know included.

import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { eventData } from '@worktrail/contract/event-json';
import { ActorKind, type CommandOutput, type Event, EventSchema, Stream } from '@worktrail/proto/event';
import type { ParsedEvent } from './parse-event.ts';
import type { Cell } from './row-bytes.ts';
import { dateTimeText } from './sql-text.ts';
import { typedColumns, typedColumnsOf } from './typed-columns.ts';

export interface BatchOrigin {
  partition: number;
  epoch: number;
  /** One value for the whole batch. */
  ingestedAt: Date;
}

export const eventColumns = [
  'organization_id',
  'project_id',
  'session_id',
  'partition',
  'epoch',
  'sequence',
  'fill',
  'producer',
  'number',
  'event_id',
  'type',
  'time',
  'turn_id',
  'command_id',
  'actor_kind',
  'actor_id',
  'generation',
  'data',
  'stream',
  'offset',
  'position',
  'size',
  'message',
  'ingested_at',
  ...typedColumns,
] as const;

export const outputColumns = [
  'organization_id',
  'project_id',
  'session_id',
  'command_id',
  'position',
  'stream',
  'offset',
  'partition',
  'epoch',
  'sequence',
  'fill',
  'time',
  'size',
  'body',
  'ingested_at',
] as const;

export type EventRow = Record<(typeof eventColumns)[number], Cell>;

export type OutputRow = Record<(typeof outputColumns)[number], Cell>;

const noBytes = new Uint8Array(0);

export function eventRow(parsed: ParsedEvent, origin: BatchOrigin): EventRow {
  const { event, payload } = parsed;
  const output = payload.case === 'commandOutput' ? payload.value : undefined;
  const slim = output ? withOutputBytes(event, output, noBytes) : event;
  const data = publicData(slim);
  const size = output?.bytes.length ?? 0;
  return {
    organization_id: event.organizationId,
    project_id: event.projectId,
    session_id: event.sessionId,
    partition: origin.partition,
    epoch: origin.epoch,
    sequence: parsed.sequence,
    fill: parsed.fill,
    producer: event.producer,
    number: parsed.number,
    event_id: event.id,
    type: parsed.type,
    time: dateTimeText(parsed.time),
    turn_id: event.turnId,
    command_id: event.commandId,
    actor_kind: actorKindName(event.actor?.kind),
    actor_id: event.actor?.id ?? '',
    generation: event.generation,
    data: JSON.stringify(data),
    stream: output ? streamName(output.stream) : '',
    offset: Number(output?.offset ?? 0),
    position: Number(output?.position ?? 0),
    size,
    message: output ? toBinary(EventSchema, slim) : parsed.data,
    ingested_at: dateTimeText(origin.ingestedAt),
    ...typedColumnsOf(parsed.type, data, size),
  };
}

/** Undefined where the event is no output, or one without a byte. */
export function outputRow({ event, payload, sequence, fill, time }: ParsedEvent, origin: BatchOrigin) {
  if (payload.case !== 'commandOutput' || payload.value.bytes.length === 0) return undefined;
  const { stream, offset, position, bytes } = payload.value;
  return {
    organization_id: event.organizationId,
    project_id: event.projectId,
    session_id: event.sessionId,
    command_id: event.producer,
    position: Number(position),
    stream: streamName(stream),
    offset: Number(offset),
    partition: origin.partition,
    epoch: origin.epoch,
    sequence,
    fill,
    time: dateTimeText(time),
    size: bytes.length,
    body: bytes,
    ingested_at: dateTimeText(origin.ingestedAt),
  } satisfies OutputRow;
}

/** The event of its rows, from `message` and `body`. */
export function storedEvent(message: Uint8Array, body: Uint8Array = noBytes): Event {
  const event = fromBinary(EventSchema, message);
  if (event.payload.case === 'commandOutput') event.payload.value.bytes = body as CommandOutput['bytes'];
  return event;
}

/** The same of an event that is no output, where `message` was read as base64. */
export function storedMessage(messageBase64: string): Event {
  return storedEvent(Buffer.from(messageBase64, 'base64'));
}

export function streamName(stream: Stream): 'stdout' | 'stderr' | '' {
  if (stream === Stream.STDOUT) return 'stdout';
  return stream === Stream.STDERR ? 'stderr' : '';
}

export function actorKindName(kind: ActorKind | undefined): string {
  switch (kind) {
    case ActorKind.USER:
      return 'user';
    case ActorKind.AGENT:
      return 'agent';
    default:
      return 'system';
  }
}

export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

function withOutputBytes(event: Event, output: CommandOutput, bytes: Uint8Array): Event {
  return { ...event, payload: { case: 'commandOutput', value: { ...output, bytes: bytes as CommandOutput['bytes'] } } };
}

/** The public `data`; of output without its bytes, which have a column. */
function publicData(slim: Event): Record<string, unknown> {
  const data = eventData(slim);
  if (slim.payload.case === 'commandOutput') {
    delete data['bytes'];
    delete data['text'];
  }
  return data;
}
