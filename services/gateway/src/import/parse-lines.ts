// The lines of an import, checked: what passes can be stored as it is. The format is that of exports (session-export.ts).
//
// 1. An event says in its message what it says in its line: what a person reads in a file is what is stored.
// 2. Of a line that does not pass its number is told, counted from 1 in this request.

import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import { z } from '@hono/zod-openapi';
import { type Cursor, parseCursor } from '@worktrail/contract/cursor';
import { eventType } from '@worktrail/contract/event-types';
import { ancestorsMax } from '@worktrail/contract/forks';
import { limits } from '@worktrail/contract/limits';
import { sessionExportFormat } from '@worktrail/contract/session-export';
import { type Event, EventSchema } from '@worktrail/proto/event';
import { invalid, type Problem } from '../problem.ts';
import { id, labels } from '../text.ts';

/** What a stream takes, with room for its headers. */
const messageBytesMax = 1024 * 1024 - 4_096;
const linesMax = 10_000;
const producer = /^[A-Za-z0-9_-]{1,128}$/;
const yearMax = 2199;

const instant = z.iso.datetime();
const short = z.string().max(1_000);

const headerSchema = z.object({
  format: z.literal(sessionExportFormat),
  session: z.object({
    ...{ id: id('session'), projectId: id('project'), taskId: id('task').nullable(), trialId: id('trial').nullable() },
    ...{ title: z.string().max(limits.nameLengthMax), labels, branch: short },
    ...{ baseCommit: short.nullable(), headCommit: short.nullable(), createdAt: instant, lastActiveAt: instant },
    inherited: z
      .array(z.object({ sessionId: id('session'), branch: short, upTo: z.string().max(100) }))
      .max(ancestorsMax),
  }),
});

const eventSchema = z.object({
  ...{ cursor: z.string(), id: id('event'), sessionId: id('session'), type: z.string(), time: instant },
  message: z.base64(),
  data: z.record(z.string(), z.unknown()),
});

const endSchema = z.object({
  end: z.object({ events: z.int().min(0), inherited: z.record(id('session'), z.int().min(1)), sha256: z.string() }),
});

export type ImportHeader = z.output<typeof headerSchema>;
export type ImportEnd = z.output<typeof endSchema>['end'];

export interface ImportedEvent {
  line: number;
  event: Event;
  cursor: Cursor;
}

export interface ImportLines {
  session: ImportHeader['session'];
  events: ImportedEvent[];
  /** Of the file's last lines. */
  end: ImportEnd | undefined;
}

/** @throws validation_failed naming a line */
export function parseLines(body: Uint8Array): ImportLines {
  const lines = textOf(body).split('\n');
  if (lines.pop() !== '') throw refused(lines.length + 1, 'has no end');
  if (lines.length > linesMax) throw invalid({ path: 'body', message: `may have at most ${linesMax} lines` });
  const { session } = parse(headerSchema, lines[0] ?? '', 1);
  const known = new Set([session.id, ...session.inherited.map(({ sessionId }) => sessionId)]);
  const events: ImportedEvent[] = [];
  let end: ImportEnd | undefined;
  for (const [index, text] of lines.entries()) {
    const line = index + 1;
    if (index === 0) continue;
    if (end) throw refused(line, 'stands after the end');
    if (text.startsWith('{"end":')) end = parse(endSchema, text, line).end;
    else events.push({ line, ...eventOf(parse(eventSchema, text, line), session.projectId, known, line) });
  }
  return { session, events, end };
}

function textOf(body: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    throw invalid({ path: 'body', message: 'is not UTF-8' });
  }
}

function parse<Schema extends z.ZodType>(schema: Schema, text: string, line: number): z.output<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw refused(line, 'is no JSON');
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw refused(line, `${issue!.path.join('.') || 'it'}: ${issue!.message}`);
}

function eventOf(
  { cursor: cursorText, message, data, ...said }: z.output<typeof eventSchema>,
  projectId: string,
  sessions: ReadonlySet<string>,
  line: number,
): Omit<ImportedEvent, 'line'> {
  const event = decoded(message, line);
  const cursor = parseCursor(cursorText);
  if (!cursor) throw refused(line, 'cursor: is none');
  const { payload } = event;
  if (payload.case === undefined) throw refused(line, 'message: is of a kind that is not known here');
  if (payload.case === 'commandOutput') payload.value.bytes = outputBytes(data['bytes'], line);
  const time = event.time && timestampDate(event.time);
  if (!time || !(time.getTime() >= 0) || time.getUTCFullYear() > yearMax) throw refused(line, 'time: is out of range');
  const meant = { id: event.id, sessionId: event.sessionId, type: eventType(payload.case), time: time.toISOString() };
  for (const name of ['id', 'sessionId', 'type', 'time'] as const) {
    if (said[name] !== meant[name]) throw refused(line, `${name}: is not what its message says`);
  }
  if (!sessions.has(event.sessionId)) throw refused(line, 'sessionId: is none of those that the first line names');
  if (event.projectId !== projectId) throw refused(line, 'message: is of another project than the first line says');
  if (!producer.test(event.producer)) throw refused(line, 'message: its producer is malformed');
  if (event.number < 1n || event.number > BigInt(Number.MAX_SAFE_INTEGER))
    throw refused(line, 'message: its number is out of range');
  if (toBinary(EventSchema, event).length > messageBytesMax) throw refused(line, 'is too large');
  return { event, cursor };
}

function decoded(message: string, line: number): Event {
  try {
    return fromBinary(EventSchema, Buffer.from(message, 'base64'));
  } catch {
    throw refused(line, 'message: is no event');
  }
}

function outputBytes(bytes: unknown, line: number): Uint8Array<ArrayBuffer> {
  const decodedBytes = z.base64().safeParse(bytes);
  if (!decodedBytes.success) throw refused(line, 'data.bytes: is no base64');
  return Buffer.from(decodedBytes.data, 'base64');
}

export function refused(line: number, message: string): Problem {
  return invalid({ path: `line ${line}`, message });
}
