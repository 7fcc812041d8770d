import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type Event, EventSchema, Stream } from '@worktrail/proto/event';
import { ListEventsResponseSchema } from '@worktrail/proto/trace';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { HistoryEvent } from '../history/history.ts';
import { storedEvent } from '../ingest/event-row.ts';
import { pageMessage } from './page-message.ts';

const cursor = fc.record({ epoch: fc.nat(), sequence: fc.nat(2 ** 31), fill: fc.constantFrom(0, 1, 700) });
const bytes = fc.uint8Array({ maxLength: 20_000 });
const event = fc.record({ cursor, message: fc.string().map(said), body: fc.constant(undefined) });
const output = fc.record({ cursor, message: fc.nat().map(printed), body: fc.option(bytes, { nil: undefined }) });

function said(text: string): Uint8Array {
  const payload: Event['payload'] = { case: 'messageUser', value: { text, messageId: 'm' } as never };
  return toBinary(EventSchema, create(EventSchema, { id: 'evt_1', sessionId: 'ses_1', number: 3n, payload }));
}

/** Without its bytes, and with a field that this version does not know. */
function printed(offset: number): Uint8Array {
  const value = { stream: Stream.STDERR, offset: BigInt(offset), position: 8n };
  const known = create(EventSchema, { id: 'evt_2', producer: 'cmd_1', payload: { case: 'commandOutput', value } });
  return Buffer.concat([toBinary(EventSchema, known), Uint8Array.of(0xc2, 0xbb, 0x01, 0x03, 0x61, 0x62, 0x63)]);
}

test('the answer reads as the events of the page, each with its cursor, its output and what is not known of it', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(event, output), { maxLength: 30 }), cursor, fc.boolean(), (made, next, complete) => {
      const events = made.map(({ body, ...rest }): HistoryEvent => ({ ...rest, ...(body && { body }) }));
      const sent = toBinary(ListEventsResponseSchema, pageMessage({ events, next, complete, bytes: 0 }));
      const read = fromBinary(ListEventsResponseSchema, sent);
      expect(read).toMatchObject({ complete, next: { sequence: BigInt(next.sequence) } });
      expect(read.events.map((one) => Number(one.cursor?.sequence))).toEqual(events.map((one) => one.cursor.sequence));
      expect(read.events.map((one) => one.cursor?.fill)).toEqual(events.map((one) => BigInt(one.cursor.fill ?? 0)));
      for (const [index, { message, body }] of events.entries()) {
        expect(toBinary(EventSchema, read.events[index]!.event!)).toEqual(
          toBinary(EventSchema, storedEvent(message, body)),
        );
      }
    }),
  );
});
