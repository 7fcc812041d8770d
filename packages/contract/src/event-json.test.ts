import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { ActorKind, CommandOutcome, EventSchema, Stream } from '@worktrail/proto/event';
import { expect, test } from 'vitest';
import { eventCase, eventType, eventTypes } from './event-types.ts';
import { publicEvent } from './event-json.ts';

test('every payload of the protocol has one public type and back', () => {
  const cases = EventSchema.oneofs[0]!.fields.map((field) => field.localName);
  expect(eventTypes).toHaveLength(cases.length);
  for (const name of cases) expect(eventCase(eventType(name as never))).toBe(name);
});

test('an event is rendered by the rules of the public API', () => {
  const time = new Date('2026-01-02T03:04:05.678Z');
  const event = create(EventSchema, {
    id: 'evt_1',
    sessionId: 'ses_1',
    commandId: 'cmd_1',
    time: timestampFromDate(time),
    actor: { kind: ActorKind.USER, id: 'prn_1' },
    payload: {
      case: 'commandEnded',
      value: { outcome: CommandOutcome.TIMED_OUT, stdoutBytes: 5_000_000_000n, endedAt: timestampFromDate(time) },
    },
  });
  expect(publicEvent(event, { epoch: 36, sequence: 37 })).toEqual({
    cursor: '10-11',
    id: 'evt_1',
    sessionId: 'ses_1',
    commandId: 'cmd_1',
    type: 'command.ended',
    time: '2026-01-02T03:04:05.678Z',
    actor: { kind: 'user', id: 'prn_1' },
    data: {
      outcome: 'timed_out',
      reason: '',
      signal: '',
      stdoutBytes: 5_000_000_000,
      stderrBytes: 0,
      userCpuMicros: 0,
      systemCpuMicros: 0,
      maxRssKilobytes: 0,
      endedAt: '2026-01-02T03:04:05.678Z',
    },
  });
});

test('output carries its bytes as base64, and text only where it is valid UTF-8', () => {
  const render = (bytes: Uint8Array) =>
    publicEvent(
      create(EventSchema, { payload: { case: 'commandOutput', value: { stream: Stream.STDERR, offset: 7n, bytes } } }),
      { epoch: 1, sequence: 1 },
    ).data;
  expect(render(Buffer.from('é\n'))).toMatchObject({ stream: 'stderr', offset: 7, bytes: 'w6kK', text: 'é\n' });
  expect(render(Uint8Array.of(0xff, 0xfe))).not.toHaveProperty('text');
});
