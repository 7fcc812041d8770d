import { create, equals, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { eventData } from '@worktrail/contract/event-json';
import { type Event, EventSchema, Stream } from '@worktrail/proto/event';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { eventRow, storedEvent } from './event-row.ts';
import { parseEvent } from './parse-event.ts';
import { UnstorableMessage } from './stream-message.ts';

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
      const { message: slim, output } = eventRow(parsed, origin);
      expect(output?.bytes).toEqual(bytes);
      expect(equals(EventSchema, storedEvent(slim, output?.bytes), event)).toBe(true);
    }),
  );
});

test("an output's data is the public one without its bytes, which are nowhere else in the row", () => {
  for (const stream of [Stream.UNSPECIFIED, Stream.STDOUT, Stream.STDERR, 7 as Stream]) {
    const event = outputEvent(Buffer.from('unique output bytes'));
    Object.assign(event.payload.value!, { stream });
    const row = eventRow(parseEvent(message(event)), origin);
    const { bytes: _, text: __, ...data } = eventData(event);
    expect(row.data).toBe(JSON.stringify(data));
    expect(Buffer.from(row.message).includes('unique output bytes')).toBe(false);
  }
});

test('fields that this version does not know survive', () => {
  const known = message(outputEvent(Buffer.from('x')));
  const unknownField = Uint8Array.of(0xc2, 0xbb, 0x01, 0x03, 0x61, 0x62, 0x63);
  const { message: slim, output } = eventRow(
    parseEvent({ ...known, data: Buffer.concat([known.data, unknownField]) }),
    origin,
  );
  const back = toBinary(EventSchema, storedEvent(slim, output?.bytes));
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
