import { create } from '@bufbuild/protobuf';
import { publicEvent } from '@worktrail/contract/event-json';
import { newId } from '@worktrail/contract/ids';
import { EventSchema, Stream } from '@worktrail/proto/event';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { eventJson } from './event-json.ts';

const cursor = { epoch: 1_790_000_000_000, sequence: 7 };
const output = (bytes: Uint8Array<ArrayBuffer>) =>
  create(EventSchema, {
    id: newId('event'),
    number: 3n,
    payload: { case: 'commandOutput', value: { stream: Stream.STDERR, offset: 5n, position: 9n, bytes } },
  });

test('output has the same JSON as every event, whatever its bytes are', () => {
  const text = fc.string({ unit: 'binary', maxLength: 40 }).map((value) => new Uint8Array(Buffer.from(value)));
  const bytes = fc.oneof(fc.uint8Array({ maxLength: 40 }), text).map((value) => new Uint8Array(value));
  fc.assert(
    fc.property(bytes, (value) => {
      const event = output(value);
      expect(JSON.stringify(eventJson(event, cursor))).toBe(JSON.stringify(publicEvent(event, cursor)));
    }),
  );
});

test('a byte order mark and an empty output stay what they are', () => {
  for (const text of ['\ufeffx', '']) {
    const event = output(new Uint8Array(Buffer.from(text)));
    expect(eventJson(event, cursor)).toEqual(publicEvent(event, cursor));
  }
});
