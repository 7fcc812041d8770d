import { create, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { ActorKind, type Event, EventSchema, Stream } from '@worktrail/proto/event';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createRowBuffer } from '../clickhouse/row-binary.ts';
import { eventColumns, eventRow, outputColumns } from './event-row.ts';
import { createOutputRows } from './output-row.ts';
import { parseEvent } from './parse-event.ts';
import { sourceOf } from './sources.ts';

const origin = { partition: 3, epoch: 7, ingestedAt: new Date(1_790_000_000_000) };
const task = { task_id: 'tsk_1', trial_id: 'trl_1' };
const subject = 'worktrail.events.3.org_1.ses_1.cmd_1';
const source = sourceOf(subject);

const ascii = fc.oneof(fc.string({ maxLength: 12 }), fc.constant(''));
const id = fc.oneof(
  { weight: 9, arbitrary: ascii },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 5 }) },
);
const whole = fc.oneof(fc.nat({ max: 300 }), fc.constantFrom(0, 127, 128, 2 ** 32, 2 ** 52), fc.maxSafeNat());

const events: fc.Arbitrary<Event> = fc
  .record({
    id,
    projectId: fc.oneof({ weight: 4, arbitrary: fc.constantFrom('prj_1', 'prj_2') }, { weight: 1, arbitrary: id }),
    turnId: id,
    commandId: id,
    generation: fc.oneof(fc.nat(), fc.constant(2 ** 32 - 1)),
    number: whole.map((value) => BigInt(value)),
    timeMs: fc.oneof(
      { weight: 8, arbitrary: fc.nat({ max: 2 ** 42 }) },
      { weight: 1, arbitrary: fc.constantFrom(0, -5, undefined) },
    ),
    nanos: fc.nat({ max: 999_999_999 }),
    actor: fc.option(fc.record({ kind: fc.constantFrom(0, 1, 2, 3, 9), id }), { nil: undefined }),
    stream: fc.constantFrom(
      Stream.STDOUT,
      Stream.STDERR,
      Stream.STDOUT,
      Stream.STDERR,
      Stream.UNSPECIFIED,
      7 as Stream,
    ),
    offset: whole.map((value) => BigInt(value)),
    position: whole.map((value) => BigInt(value)),
    bytes: fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.nat({ max: 20_000 }).map((length) => new Uint8Array(length).fill(97)),
    ),
  })
  .map(({ timeMs, nanos, stream, offset, position, bytes, actor, ...rest }) => {
    const time = timeMs === undefined ? undefined : { ...timestampFromMs(timeMs), nanos: timeMs < 0 ? 0 : nanos };
    const value = { stream, offset, position, bytes: bytes as Uint8Array<ArrayBuffer> };
    return create(EventSchema, {
      ...{ organizationId: 'org_1', sessionId: 'ses_1', producer: 'cmd_1', ...rest },
      ...(time && { time }),
      ...(actor && { actor: { kind: actor.kind as ActorKind, id: actor.id } }),
      payload: { case: 'commandOutput', value },
    });
  });

/** What the library's way makes of it; undefined where it refuses it. */
function byLibrary(data: Uint8Array) {
  try {
    const row = { ...eventRow(parseEvent({ subject, sequence: 9, data }), origin), task };
    const [ofEvent, ofOutput] = [createRowBuffer(eventColumns, 16), createRowBuffer(outputColumns, 16)];
    ofEvent.add(row);
    if (row.output && row.output.bytes.length > 0) ofOutput.add(row);
    return {
      event: ofEvent.rows().toString('latin1'),
      output: ofOutput.rows().toString('latin1'),
      size: row.message.length,
      number: row.parsed.number,
    };
  } catch {
    return undefined;
  }
}

const rows = createOutputRows(origin);

/** undefined where it is left to the library. */
function straight(data: Uint8Array) {
  const [ofEvent, ofOutput] = [createRowBuffer(eventColumns, 16), createRowBuffer(outputColumns, 16)];
  const row = rows.read({ subject, sequence: 9, data }, source, task);
  if (!row || ofEvent.put(row.putEvent) === undefined) {
    expect(ofEvent.rows()).toHaveLength(0);
    return undefined;
  }
  if (row.bodySize > 0) ofOutput.put(row.putBody);
  return {
    event: ofEvent.rows().toString('latin1'),
    output: ofOutput.rows().toString('latin1'),
    size: row.messageSize,
    number: row.number,
  };
}

test('an output put straight from its message is the row that the library gives', () => {
  let count = 0;
  fc.assert(
    fc.property(events, (event) => {
      const data = toBinary(EventSchema, event);
      const put = straight(data);
      if (!put) return;
      count++;
      expect(put).toEqual(byLibrary(data));
    }),
    { numRuns: 500 },
  );
  expect(count).toBeGreaterThan(50);
});

test('what publishers write is put straight', () => {
  const value = { stream: Stream.STDERR, offset: 70_000n, position: 90_000n, bytes: new Uint8Array(3_000).fill(200) };
  const event = create(EventSchema, {
    ...{ id: 'evt_1', organizationId: 'org_1', projectId: 'prj_1', sessionId: 'ses_1', producer: 'cmd_1', number: 9n },
    ...{ turnId: 'trn_1', commandId: 'cmd_1', generation: 1, time: timestampFromMs(1_790_000_000_123) },
    actor: { kind: ActorKind.SYSTEM, id: 'sandbox-runner' },
    payload: { case: 'commandOutput', value },
  });
  expect(straight(toBinary(EventSchema, event))).toEqual(byLibrary(toBinary(EventSchema, event)));
  expect(straight(toBinary(EventSchema, { ...event, sessionId: 'ses_2' }))).toBeUndefined();
});

test('however the bytes of a message are cut, doubled or changed, it is put as the library does or left to it', () => {
  const change = fc.record({
    at: fc.nat(),
    byte: fc.nat({ max: 255 }),
    kind: fc.constantFrom('set', 'cut', 'insert', 'twice'),
  });
  fc.assert(
    fc.property(events, fc.array(change, { minLength: 1, maxLength: 3 }), (event, changes) => {
      let data = Buffer.from(toBinary(EventSchema, event));
      for (const { at, byte, kind } of changes) {
        const place = at % (data.length + 1);
        const [before, after] = [data.subarray(0, place), data.subarray(place)];
        if (kind === 'set') data[Math.min(place, data.length - 1)] = byte;
        else if (kind === 'cut') data = Buffer.from(before);
        else if (kind === 'insert') data = Buffer.concat([before, Buffer.of(byte), after]);
        else data = Buffer.concat([data, after]);
      }
      const put = straight(data);
      if (put) expect(put).toEqual(byLibrary(data));
    }),
    { numRuns: 2_000 },
  );
});
