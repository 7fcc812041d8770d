import { create, equals, fromBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { ActorKind, EventSchema, Stream } from '@worktrail/proto/event';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { eventBytes } from './event-bytes.ts';

const output = fc.record({
  stream: fc.constantFrom(Stream.UNSPECIFIED, Stream.STDOUT, Stream.STDERR),
  offset: fc.bigInt({ min: 0n, max: 2n ** 52n }),
  position: fc.bigInt({ min: 0n, max: 2n ** 52n }),
  bytes: fc.uint8Array({ maxLength: 20_000 }).map((bytes) => Uint8Array.from(bytes)),
});

test('an event of output is read as what was written', () => {
  fc.assert(
    fc.property(output, fc.string(), fc.bigInt({ min: 1n, max: 2n ** 52n }), (value, id, number) => {
      const event = create(EventSchema, {
        id,
        producer: 'cmd_1',
        number,
        time: timestampFromMs(1_790_000_000_123),
        actor: { kind: ActorKind.SYSTEM, id: 'sandbox-runner' },
        generation: 3,
        payload: { case: 'commandOutput', value },
      });
      expect(equals(EventSchema, fromBinary(EventSchema, eventBytes(event)), event)).toBe(true);
    }),
  );
});

test('any other event is read as what was written', () => {
  const event = create(EventSchema, { id: 'evt_1', payload: { case: 'commandEnded', value: { stdoutBytes: 7n } } });
  expect(equals(EventSchema, fromBinary(EventSchema, eventBytes(event)), event)).toBe(true);
});
