// An event as a row of events_v1, of an output with its bytes as a row of command_output_v1, and back.
//
// `message` holds the published bytes except an output's own bytes, which are the `body` of the other row: nothing is stored twice, and
// `storedEvent(message, body)` is the event, fields this version does not know included.

import { fromBinary } from '@bufbuild/protobuf';
import { eventData } from '@worktrail/contract/event-json';
import { ActorKind, type CommandOutput, type Event, EventSchema, Stream } from '@worktrail/proto/event';
import { messageWithoutBytes, withoutBytes } from './output-message.ts';
import type { MessageEvent } from './parse-event.ts';
import type { Column } from '../clickhouse/row-binary.ts';
import type { SessionTask } from './sources.ts';
import { type TypedColumns, typedBinaryColumns, typedColumnsOf } from './typed-columns.ts';

export interface BatchOrigin {
  partition: number;
  epoch: number;
  /** One value for the whole batch. */
  ingestedAt: Date;
}

/** What is made of an event, and may fail; the columns take the rest from the event itself. */
export interface EventRow {
  parsed: MessageEvent;
  origin: BatchOrigin;
  output: CommandOutput | undefined;
  /** JSON. */
  data: string;
  message: Uint8Array;
  typed: TypedColumns;
}

/** A row of either table. */
export interface StoredRow extends EventRow {
  task: SessionTask;
}

export function eventRow(parsed: MessageEvent, origin: BatchOrigin): EventRow {
  const { event, payload, data: message, type } = parsed;
  if (payload.case !== 'commandOutput') {
    const data = eventData(event);
    const typed = typedColumnsOf(type, data, 0);
    return { parsed, origin, output: undefined, data: JSON.stringify(data), message, typed };
  }
  const output = payload.value;
  return {
    parsed,
    origin,
    output,
    data: outputData(event, output),
    message: messageWithoutBytes(message, event, output),
    typed: typedColumnsOf(type, {}, output.bytes.length),
  };
}

/** What is the same for all events of a source (output-row.ts puts the values of each group as one piece). */
const ofSource: readonly Column<StoredRow>[] = [
  { name: 'organization_id', put: (to, { parsed }) => to.text(parsed.event.organizationId) },
  { name: 'project_id', put: (to, { parsed }) => to.text(parsed.event.projectId) },
  { name: 'task_id', put: (to, { task }) => to.text(task.task_id) },
  { name: 'session_id', put: (to, { parsed }) => to.text(parsed.event.sessionId) },
];

export const batchColumns: readonly Column<{ origin: BatchOrigin }>[] = [
  { name: 'partition', put: (to, { origin }) => to.uint16(origin.partition) },
  { name: 'epoch', put: (to, { origin }) => to.uint64(origin.epoch) },
  { name: 'ingested_at', put: (to, { origin }) => to.time(origin.ingestedAt) },
];

const cursorColumns: readonly Column<StoredRow>[] = [
  { name: 'sequence', put: (to, { parsed }) => to.uint64(parsed.sequence) },
  { name: 'fill', put: (to, { parsed }) => to.uint64(parsed.fill) },
  { name: 'time', put: (to, { parsed }) => to.time(parsed.time) },
];

const placeColumns: readonly Column<StoredRow>[] = [
  { name: 'stream', put: (to, { output }) => to.text(output ? streamName(output.stream) : '') },
  { name: 'offset', put: (to, { output }) => to.uint64(Number(output?.offset ?? 0)) },
  { name: 'position', put: (to, { output }) => to.uint64(Number(output?.position ?? 0)) },
  { name: 'size', put: (to, { output }) => to.uint32(output?.bytes.length ?? 0) },
];

export const eventColumns: readonly Column<StoredRow>[] = [
  ...ofSource,
  { name: 'producer', put: (to, { parsed }) => to.text(parsed.event.producer) },
  { name: 'trial_id', put: (to, { task }) => to.text(task.trial_id) },
  ...batchColumns,
  ...cursorColumns,
  { name: 'number', put: (to, { parsed }) => to.uint64(parsed.number) },
  { name: 'event_id', put: (to, { parsed }) => to.text(parsed.event.id) },
  { name: 'type', put: (to, { parsed }) => to.text(parsed.type) },
  { name: 'turn_id', put: (to, { parsed }) => to.text(parsed.event.turnId) },
  { name: 'command_id', put: (to, { parsed }) => to.text(parsed.event.commandId) },
  { name: 'actor_kind', put: (to, { parsed }) => to.text(actorKindName(parsed.event.actor?.kind)) },
  { name: 'actor_id', put: (to, { parsed }) => to.text(parsed.event.actor?.id ?? '') },
  { name: 'generation', put: (to, { parsed }) => to.uint32(parsed.event.generation) },
  ...placeColumns,
  { name: 'data', put: (to, { data }) => to.text(data) },
  ...typedBinaryColumns.map(({ name, put }) => ({
    name,
    put: (...[to, { typed }]: Parameters<Column<StoredRow>['put']>) => put(to, typed),
  })),
  { name: 'message', put: (to, { message }) => to.bytes(message) },
];

const noBytes = new Uint8Array(0);

/** For outputs that have bytes. */
export const outputColumns: readonly Column<StoredRow>[] = [
  ...ofSource,
  { name: 'command_id', put: (to, { parsed }) => to.text(parsed.event.producer) },
  ...batchColumns,
  ...cursorColumns,
  ...placeColumns,
  { name: 'body', put: (to, { output }) => to.bytes(output?.bytes ?? noBytes) },
];

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

export function outputDataText(stream: string, offset: number | bigint, position: number | bigint): string {
  return `{"stream":"${stream}","offset":${offset},"position":${position}}`;
}

/** The public `data` of an output without its bytes, which have a column. */
function outputData(event: Event, output: CommandOutput): string {
  const { stream, offset, position } = output;
  const name = streamName(stream);
  if (name !== '') return outputDataText(name, offset, position);
  const { bytes: _, text: __, ...data } = eventData(withoutBytes(event, output));
  return JSON.stringify(data);
}
