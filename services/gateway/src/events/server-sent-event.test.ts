import { create } from '@bufbuild/protobuf';
import { publicEvent } from '@worktrail/contract/event-json';
import { newId } from '@worktrail/contract/ids';
import { EventSchema, Stream } from '@worktrail/proto/event';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { serverSentEvent } from './server-sent-event.ts';

const cursor = { epoch: 1_790_000_000_000, sequence: 7 };

function expected(event: Parameters<typeof publicEvent>[0]): string {
  const json = publicEvent(event, cursor);
  return `id: ${json.cursor}\nevent: ${json.type}\ndata: ${JSON.stringify(json)}\n\n`;
}

test('output is sent as the JSON of every event, whatever its bytes are', () => {
  const text = fc.string({ unit: 'binary', maxLength: 40 }).map((value) => new Uint8Array(Buffer.from(value)));
  const bytes = fc.oneof(fc.uint8Array({ maxLength: 40 }), text, fc.constant(Buffer.from('\ufeff"\\\n\u2028')));
  fc.assert(
    fc.property(bytes, fc.boolean(), (value, isOfCommand) => {
      const event = create(EventSchema, {
        id: newId('event'),
        number: 3n,
        ...(isOfCommand && { commandId: newId('command') }),
        payload: {
          case: 'commandOutput',
          value: { stream: Stream.STDERR, offset: 5n, position: 9n, bytes: new Uint8Array(value) },
        },
      });
      expect(Buffer.from(serverSentEvent(event, cursor)).toString()).toBe(expected(event));
    }),
  );
});

test('any other event is sent as its JSON', () => {
  const event = create(EventSchema, { id: newId('event'), payload: { case: 'commandEnded', value: { exitCode: 3 } } });
  expect(Buffer.from(serverSentEvent(event, cursor)).toString()).toBe(expected(event));
});
