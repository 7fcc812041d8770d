import { create, createRegistry, equals, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type CommandOutput, CommandOutputSchema, type Event, EventSchema, Stream } from '@worktrail/proto/event';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { messageWithoutBytes, withoutBytes } from './output-message.ts';

const registry = createRegistry(EventSchema);

function outputOf(event: Event): CommandOutput {
  if (event.payload.case !== 'commandOutput') throw new Error('not an output');
  return event.payload.value;
}

function event(id: string, bytes: Uint8Array, offset: bigint): Event {
  const value = { stream: Stream.STDERR, offset, position: offset + 1n, bytes: bytes as Uint8Array<ArrayBuffer> };
  return create(EventSchema, { id, producer: 'cmd_1', number: 3n, payload: { case: 'commandOutput', value } });
}

const outputs = fc.tuple(
  fc.string(),
  fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ minLength: 16_000, maxLength: 17_000 })),
  fc.bigInt({ min: 0n, max: 2n ** 53n }),
);

test('of a published message the bytes are cut out, and nothing else', () => {
  fc.assert(
    fc.property(outputs, fc.nat({ max: 20 }), ([id, bytes, offset], front) => {
      const published = toBinary(EventSchema, event(id, bytes, offset));
      // As it stands somewhere in what was read from a connection.
      const data = Buffer.concat([Buffer.alloc(front), published]).subarray(front);
      const read = fromBinary(EventSchema, data);
      const slim = toBinary(EventSchema, withoutBytes(read, outputOf(read)));
      expect(Buffer.from(messageWithoutBytes(data, read, outputOf(read)))).toEqual(Buffer.from(slim));
    }),
  );
});

test('however a message is laid out, it is the same event without its bytes', () => {
  const field = (number: number, content: Uint8Array) =>
    Buffer.concat([Buffer.of(number * 8 + 2, 0x80 | (content.length & 0x7f), content.length >> 7), content]);
  const known = fc
    .tuple(outputs)
    .map(([[id, bytes, offset]]) => Buffer.from(toBinary(EventSchema, event(id, bytes, offset))));
  const inner = fc.uint8Array({ maxLength: 40 }).map((bytes) => {
    const output = create(CommandOutputSchema, { bytes: bytes as Uint8Array<ArrayBuffer> });
    return Buffer.concat([toBinary(CommandOutputSchema, output), field(4, bytes), Buffer.of(0x10, 0x80, 0x00)]);
  });
  const payload = EventSchema.field.commandOutput.number;
  const tag = (number: number) => Buffer.of(((number * 8 + 2) & 0x7f) | 0x80, (number * 8 + 2) >> 7);
  const again = inner.map((bytes) => Buffer.concat([tag(payload), Buffer.of(bytes.length & 0x7f), bytes]));
  const noise = fc.constantFrom(
    Buffer.of(0xc2, 0xbb, 0x01, 0x01, 0x61),
    Buffer.alloc(0),
    Buffer.of(0xcd, 0xbb, 0x01, 1, 2, 3, 4),
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(known, again, noise), { minLength: 1, maxLength: 4 }), (parts) => {
      const data = Buffer.concat(parts);
      let read: Event;
      try {
        read = fromBinary(EventSchema, data);
      } catch {
        return;
      }
      if (read.payload.case !== 'commandOutput') return;
      const slim = fromBinary(EventSchema, messageWithoutBytes(data, read, outputOf(read)));
      expect(equals(EventSchema, slim, withoutBytes(read, outputOf(read)), { registry, unknown: true })).toBe(true);
    }),
  );
});
