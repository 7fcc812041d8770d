import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { idFrom } from '@worktrail/contract/ids';
import { CommandOutputSchema, EventSchema, Stream } from '@worktrail/proto/event';
import { JournalRangeSchema } from '@worktrail/proto/runner';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { positionAfter } from './fill-events.ts';
import { fillHole } from './fill-hole.ts';
import type { JournalReader } from './journal-source.ts';
import type { ParsedEvent } from './parse-event.ts';
import { producerKey, sessionKey } from './event-keys.ts';
import type { Hole } from './plan-batch.ts';

const commandId = idFrom('command', 0, new Uint8Array(10));

interface Chunk {
  stream: Stream;
  length: number;
}

/** Output events as a runner cuts them: of one stream each. */
const chunks = fc.array(
  fc.record({
    stream: fc.constantFrom(Stream.STDOUT, Stream.STDERR),
    length: fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 1, max: 40 }) }, fc.integer({ min: 1, max: 65_536 })),
  }),
  { minLength: 1, maxLength: 12 },
);

/** The whole output: byte for byte its stream and its place. */
function piecesOf(list: readonly Chunk[]) {
  const offsets = new Map<Stream, number>();
  let position = 0;
  return list.map(({ stream, length }) => {
    const offset = offsets.get(stream) ?? 0;
    const bytes = Uint8Array.from({ length }, (_, i) => (position + i) % 251);
    const piece = { stream, offset, position, bytes };
    offsets.set(stream, offset + length);
    position += length;
    return piece;
  });
}

/** Knows the output up to a position, and answers a few bytes at a time. */
function journalOf(list: readonly Chunk[], knownTo: number, answerBytes: number): JournalReader {
  return {
    read: async ({ fromPosition, toPosition }) => {
      const to = Math.min(toPosition, knownTo, fromPosition + answerBytes);
      const output = piecesOf(list).flatMap(({ stream, offset, position, bytes }) => {
        const start = Math.max(0, fromPosition - position);
        const part = bytes.subarray(start, Math.max(start, to - position));
        const at = { offset: BigInt(offset + start), position: BigInt(position + start) };
        return part.length > 0 ? [create(CommandOutputSchema, { stream, ...at, bytes: part })] : [];
      });
      return create(JournalRangeSchema, { output, time: timestampFromMs(5) });
    },
  };
}

function eventBefore(position: number, number: number): ParsedEvent {
  const event = create(EventSchema, {
    organizationId: 'org',
    sessionId: 'ses',
    producer: commandId,
    commandId,
    number: BigInt(number),
    payload: { case: 'commandEnded', value: { stdoutBytes: BigInt(position) } },
  });
  const { payload } = event as { payload: ParsedEvent['payload'] };
  return {
    producerKey: producerKey(event),
    sessionKey: sessionKey(event),
    sequence: 100,
    fill: 0,
    event,
    payload,
    type: 'command.ended',
    number,
    time: new Date(9),
    size: 0,
  };
}

async function filled(journal: JournalReader, hole: Hole, from: number): Promise<ParsedEvent[]> {
  return Array.fromAsync(fillHole(journal, hole, from, 'stream_lost'));
}

/** Chunk i has number i + 3: after command.queued and command.started. */
function holeOf(list: readonly Chunk[], first: number, count: number): { hole: Hole; from: number; to: number } {
  const pieces = piecesOf(list);
  const from = pieces[first]!.position;
  const last = pieces[first + count - 1]!;
  const to = last.position + last.bytes.length;
  const [fromNumber, toNumber] = [first + 3, first + count + 2];
  return { hole: { fromNumber, toNumber, before: eventBefore(to, toNumber + 1), previous: undefined }, from, to };
}

const cases = fc
  .tuple(chunks, fc.nat(), fc.nat(), fc.integer({ min: 1, max: 70_000 }))
  .map(([list, a, b, answerBytes]) => {
    const first = a % list.length;
    const total = list.reduce((sum, { length }) => sum + length, 0);
    // As few bytes as one where the output is short.
    return { list, first, count: 1 + (b % (list.length - first)), answerBytes: Math.max(answerBytes, total >> 6) };
  });

function expectAccounted(hole: Hole, from: number, events: readonly ParsedEvent[]): number {
  let [number, position] = [hole.fromNumber, from];
  for (const event of events) {
    expect(event.sequence).toBe(hole.before.sequence - 1);
    expect(event.fill).toBe(event.number);
    if (event.payload.case === 'gap') {
      expect(event.payload.value).toMatchObject({ fromNumber: BigInt(number), fromPosition: BigInt(position) });
    } else {
      expect(event.number).toBe(number);
      expect(event.payload.case === 'commandOutput' && Number(event.payload.value.position)).toBe(position);
    }
    number = event.number + 1;
    position = positionAfter(event)!;
  }
  expect(number).toBe(hole.toNumber + 1);
  return position;
}

test('where the journal has it all, every lost number has output again, and every byte its place', async () => {
  await fc.assert(
    fc.asyncProperty(cases, async ({ list, first, count, answerBytes }) => {
      const { hole, from, to } = holeOf(list, first, count);
      const events = await filled(journalOf(list, Number.POSITIVE_INFINITY, answerBytes), hole, from);
      expect(expectAccounted(hole, from, events)).toBe(to);
      const all = piecesOf(list).flatMap(({ stream, offset, bytes }) =>
        [...bytes].map((byte, i) => [stream, offset + i, byte]),
      );
      const made = events.flatMap(({ payload }) => {
        if (payload.case !== 'commandOutput') throw new Error('a gap where nothing is lost');
        const { stream, offset, bytes } = payload.value;
        expect(bytes.length).toBeLessThanOrEqual(65_536);
        return [...bytes].map((byte, i) => [stream, Number(offset) + i, byte]);
      });
      expect(made.length).toBe(to - from);
      expect(made.every((entry, i) => entry.every((part, at) => part === all[from + i]![at]))).toBe(true);
    }),
    { numRuns: 40 },
  );
});

test('where the journal ends before the hole does, one gap names all that is left', async () => {
  await fc.assert(
    fc.asyncProperty(cases, fc.nat(), async ({ list, first, count, answerBytes }, cut) => {
      const { hole, from, to } = holeOf(list, first, count);
      const knownTo = from + (cut % (to - from));
      const events = await filled(journalOf(list, knownTo, answerBytes), hole, from);
      expect(expectAccounted(hole, from, events)).toBe(to);
      const gaps = events.filter(({ payload }) => payload.case === 'gap');
      expect(gaps).toEqual([events.at(-1)]);
      const [gap] = gaps;
      expect(gap!.payload.case === 'gap' && Number(gap!.payload.value.fromPosition)).toBeLessThanOrEqual(knownTo);
    }),
    { numRuns: 40 },
  );
});

test('of a producer that is no command the whole hole is one gap, and no runner is asked', async () => {
  const before = eventBefore(0, 9);
  before.event.producer = 'session';
  const hole = { fromNumber: 4, toNumber: 8, before, previous: undefined };
  const journal = { read: () => Promise.reject(new Error('asked')) };
  const events = await Array.fromAsync(fillHole(journal, hole, 0, 'unparsable'));
  expect(events.map(({ payload }) => payload.value)).toMatchObject([
    { fromNumber: 4n, toNumber: 8n, reason: 'unparsable' },
  ]);
  expect(events.map(({ number, sequence, fill }) => [number, sequence, fill])).toEqual([[8, 99, 8]]);
});
