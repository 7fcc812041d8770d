import { create, equals, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { type Event, EventSchema, Stream } from '@worktrail/proto/event';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { eventRow, outputRow, storedEvent } from './event-row.ts';
import { parseEvent, UnstorableMessage } from './parse-event.ts';

const origin = { partition: 0, epoch: 7, ingestedAt: new Date(1_790_000_000_000) };

function message(event: Event) {
  const subject = `worktrail.events.0.${event.organizationId}.${event.sessionId}.${event.producer}`;
  return { subject, sequence: 3, data: toBinary(EventSchema, event) };
}

function outputEvent(bytes: Uint8Array, timeMs = 1_790_000_000_123): Event {
  return create(EventSchema, {
    id: 'evt_1',
    organizationId: 'org_1',
    projectId: 'prj_1',
    sessionId: 'ses_1',
    producer: 'cmd_1',
    number: 9n,
    time: timestampFromMs(timeMs),
    commandId: 'cmd_1',
    payload: {
      case: 'commandOutput',
      value: { stream: Stream.STDERR, offset: 5n, position: 8n, bytes: bytes as Uint8Array<ArrayBuffer> },
    },
  });
}

test('an event comes back from its row as it was published', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const event = outputEvent(bytes);
      const parsed = parseEvent(message(event));
      const row = eventRow(parsed, origin);
      const body = outputRow(parsed, origin)?.body;
      expect(body ?? new Uint8Array(0)).toEqual(bytes);
      expect(equals(EventSchema, storedEvent(row.message as Uint8Array, body), event)).toBe(true);
    }),
  );
});

test('a row has the public names, the exact place of output, and its bytes once', () => {
  const parsed = parseEvent(message(outputEvent(Buffer.from('unique output bytes'))));
  const row = eventRow(parsed, origin);
  expect(row).toMatchObject({
    type: 'command.output',
    stream: 'stderr',
    offset: 5,
    position: 8,
    size: 19,
    sequence: 3,
    epoch: 7,
    time: '2026-09-21 14:13:20.123',
    data: JSON.stringify({ stream: 'stderr', offset: 5, position: 8 }),
  });
  expect(Buffer.from(row.message as Uint8Array).includes('unique output bytes')).toBe(false);
  expect(outputRow(parsed, origin)).toMatchObject({
    command_id: 'cmd_1',
    stream: 'stderr',
    offset: 5,
    position: 8,
    size: 19,
  });
});

test('fields that this version does not know survive', () => {
  const known = message(outputEvent(Buffer.from('x')));
  const unknownField = Uint8Array.of(0xc2, 0xbb, 0x01, 0x03, 0x61, 0x62, 0x63);
  const parsed = parseEvent({ ...known, data: Buffer.concat([known.data, unknownField]) });
  const slim = eventRow(parsed, origin).message as Uint8Array;
  const back = toBinary(EventSchema, storedEvent(slim, outputRow(parsed, origin)?.body));
  expect(Buffer.from(back).includes(Buffer.from(unknownField))).toBe(true);
});

test('a message is refused only with a reason, never with another error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.string(), (data, subject) => {
      expect(() => parseEvent({ subject, sequence: 1, data })).toThrow(UnstorableMessage);
    }),
  );
});

test.each([
  ['another organization', { organizationId: 'org_2' }],
  ['another producer', { producer: 'cmd_2' }],
  ['number 0', { number: 0n }],
  ['a time before 1970', { time: timestampFromMs(-5) }],
  ['no time', { time: undefined }],
  ['no payload', { payload: { case: undefined } }],
])('a message with %s is refused', (_, change) => {
  const event = { ...outputEvent(Buffer.from('x')), ...change } as Event;
  const { subject } = message(outputEvent(Buffer.from('x')));
  expect(() => parseEvent({ subject, sequence: 1, data: toBinary(EventSchema, event) })).toThrow(UnstorableMessage);
});
