// An output's two rows, put from its message without reading it into objects: byte for byte what event-row.ts gives for it.

import { Stream } from '@worktrail/proto/event';
import { type Column, createRowBuffer, type SpanWriter } from '../clickhouse/row-binary.ts';
import { actorKindName, type BatchOrigin, batchColumns, outputDataText, streamName } from './event-row.ts';
import { createOutputScanner, type OutputScan, type Span } from './output-scan.ts';
import { isStorableTime, offsetMax } from './parse-event.ts';
import type { SessionTask, Source, SourceTexts } from './sources.ts';
import type { StreamMessage } from './stream-message.ts';
import { type TypedColumns, typedBinaryColumns, typedColumnsOf } from './typed-columns.ts';

export interface OutputRows {
  /**
   * undefined where the library is to read it: it is something else, is laid out in no known way, or cannot be stored. The answer holds
   * until the next one is asked for.
   */
  read(message: StreamMessage, source: Source, task: SessionTask): OutputRow | undefined;
}

export interface OutputRow {
  number: number;
  timeMs: number;
  /** Of the message without the output's bytes, and of these. */
  messageSize: number;
  bodySize: number;
  /** @returns false where a text is not ASCII. */
  putEvent(to: SpanWriter): boolean;
  putBody(to: SpanWriter): boolean;
}

const textColumn: Column<string> = { name: '', put: (to, value) => to.text(value) };
const ownTexts = createRowBuffer([textColumn], 1_024);

const outputType = encodedTexts(['command.output']);
const streamTexts = {
  [Stream.STDOUT]: encodedTexts([streamName(Stream.STDOUT)]),
  [Stream.STDERR]: encodedTexts([streamName(Stream.STDERR)]),
};
const actorKindTexts = [0, 1, 2, 3].map((kind) => encodedTexts([actorKindName(kind)]));
const [bytesColumn, ...otherTypedColumns] = typedBinaryColumns;
const otherTyped = encoded<TypedColumns>(otherTypedColumns, typedColumnsOf('command.output', {}, 0));
if (bytesColumn?.name !== 'bytes') throw new Error('the first of the typed columns is not `bytes`');

export function createOutputRows(origin: BatchOrigin): OutputRows {
  const scanner = createOutputScanner();
  const ofBatch = encoded(batchColumns, { origin });
  let found: OutputScan;
  let data: Uint8Array;
  let texts: SourceTexts;
  let sequence = 0;
  /** Of the output without its bytes. */
  let payloadSize = 0;

  function putCursor(to: SpanWriter): void {
    to.raw(ofBatch);
    to.uint64(sequence);
    to.uint64(0);
    to.uint64(row.timeMs);
  }

  function putPlace(to: SpanWriter): void {
    to.raw(streamTexts[found.stream]);
    to.uint64(found.offset);
    to.uint64(found.position);
    to.uint32(row.bodySize);
  }

  function putMessage(to: SpanWriter): void {
    to.textOf(row.messageSize);
    if (row.bodySize === 0) return to.part(data, 0, data.length);
    const { payloadTag, payload, bytesTag, bytes } = found;
    to.part(data, 0, payloadTag + payloadTagSize);
    to.textOf(payloadSize);
    to.part(data, payload.start, bytesTag);
    to.part(data, bytes.end, data.length);
  }

  const row: OutputRow = {
    ...{ number: 0, timeMs: 0, messageSize: 0, bodySize: 0 },
    putEvent: (to) => {
      to.raw(texts.ofEvent);
      putCursor(to);
      to.uint64(row.number);
      if (!to.ascii(data, found.id.start, found.id.end)) return false;
      to.raw(outputType);
      if (!to.ascii(data, found.turnId.start, found.turnId.end)) return false;
      if (!to.ascii(data, found.commandId.start, found.commandId.end)) return false;
      to.raw(actorKindTexts[found.actorKind] ?? actorKindTexts[0]!);
      if (!to.ascii(data, found.actorId.start, found.actorId.end)) return false;
      to.uint32(found.generation);
      putPlace(to);
      to.text(outputDataText(streamName(found.stream), found.offset, found.position));
      to.uint64(row.bodySize);
      to.raw(otherTyped);
      putMessage(to);
      return true;
    },
    putBody: (to) => {
      to.raw(texts.ofOutput);
      putCursor(to);
      putPlace(to);
      to.textOf(row.bodySize);
      to.part(data, found.bytes.start, found.bytes.end);
      return true;
    },
  };

  return {
    read: (message, source, task) => {
      const scanned = scanner.scan(message.data);
      if (!scanned || !isStorable(scanned) || !isOf(scanned, message.data, source)) return undefined;
      const known = textsOf(source, task, message.data, scanned.projectId);
      if (!known) return undefined;
      [found, data, texts, sequence] = [scanned, message.data, known, message.sequence];
      const { payload, bytesTag, bytes } = found;
      row.number = found.number;
      row.timeMs = timeMsOf(found);
      row.bodySize = bytes.end - bytes.start;
      payloadSize = payload.end - payload.start - (bytes.end - bytesTag);
      row.messageSize =
        row.bodySize === 0
          ? data.length
          : found.payloadTag + payloadTagSize + varintSize(payloadSize) + payloadSize + data.length - payload.end;
      return row;
    },
  };
}

/** Its number is above 15. */
const payloadTagSize = 2;

function varintSize(value: number): number {
  let size = 1;
  for (let left = value >>> 7; left > 0; left >>>= 7) size++;
  return size;
}

function isStorable(found: OutputScan): boolean {
  return (
    found.number > 0 &&
    found.hasTime &&
    isStorableTime(new Date(timeMsOf(found))) &&
    found.offset <= offsetMax &&
    found.position <= offsetMax
  );
}

/** As the library rounds it. */
function timeMsOf({ seconds, nanos }: OutputScan): number {
  return seconds * 1_000 + Math.round(nanos / 1_000_000);
}

function isOf(found: OutputScan, data: Uint8Array, { session, producer }: Source): boolean {
  return (
    isText(data, found.sessionId, session.sessionId) &&
    isText(data, found.producer, producer) &&
    isText(data, found.organizationId, session.organizationId)
  );
}

function isText(data: Uint8Array, { start, end }: Span, text: string): boolean {
  if (end - start !== text.length) return false;
  for (let index = 0; index < text.length; index++) {
    if (data[start + index] !== text.charCodeAt(index)) return false;
  }
  return true;
}

const idLengthMax = 128;

/** undefined where the project's id is none. */
function textsOf(source: Source, task: SessionTask, data: Uint8Array, project: Span): SourceTexts | undefined {
  const known = source.texts;
  if (known && known.task === task && isText(data, project, known.projectId)) return known;
  const bytes = data.subarray(project.start, project.end);
  if (bytes.length > idLengthMax || bytes.some((byte) => byte > 0x7f)) return undefined;
  const projectId = String.fromCharCode(...bytes);
  const { organizationId, sessionId } = source.session;
  const ofOutput = encodedTexts([organizationId, projectId, task.task_id, sessionId, source.producer]);
  const ofEvent = Buffer.concat([ofOutput, encodedTexts([task.trial_id])]);
  source.texts = { projectId, task, ofEvent, ofOutput };
  return source.texts;
}

function encodedTexts(values: readonly string[]): Buffer {
  ownTexts.clear();
  for (const value of values) ownTexts.add(value);
  return Buffer.from(ownTexts.rows());
}

function encoded<Row>(columns: readonly Column<Row>[], row: Row): Buffer {
  const buffer = createRowBuffer(columns, 256);
  buffer.add(row);
  return buffer.rows();
}
