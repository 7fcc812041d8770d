import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  createMerge,
  decide,
  isForwarded,
  type LiveMerge,
  markForwarded,
  markReadUpTo,
  seenMax,
} from './live-merge.ts';

interface Stored {
  sequence: number;
  lastSequence: number;
}

/** A stream of messages on some subjects, each naming the one before it on its subject. */
const streams = fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 60 }).map((subjects) => {
  const last = new Map<number, number>();
  return subjects.map((subject, index): Stored => {
    const message = { sequence: index + 1, lastSequence: last.get(subject) ?? 0 };
    last.set(subject, message.sequence);
    return message;
  });
});

/** What a client is given: live messages as decided, the history at each gap, and once more at the end (the regular check). */
function forward(stream: readonly Stored[], lost: readonly boolean[], merge: LiveMerge): number[] {
  const given: number[] = [];
  const catchUp = (end: number) => {
    for (const { sequence } of stream.filter((message) => message.sequence > merge.safe && message.sequence <= end)) {
      if (!isForwarded(merge, sequence)) given.push(sequence);
    }
    markReadUpTo(merge, end);
  };
  for (const [index, message] of stream.entries()) {
    if (lost[index % lost.length]) continue;
    const decision = decide(merge, message);
    if (decision === 'gap') catchUp(message.sequence);
    if (decision !== 'forward') continue;
    markForwarded(merge, message.sequence);
    given.push(message.sequence);
  }
  catchUp(stream.length);
  return given;
}

test('every event is forwarded once, whichever live messages are lost', () => {
  fc.assert(
    fc.property(
      streams,
      fc.array(fc.boolean(), { minLength: 1, maxLength: 20 }),
      fc.integer({ min: 0, max: 60 }),
      (stream, lost, start) => {
        const from = Math.min(start, stream.length);
        const given = forward(stream, lost, createMerge(from));
        const expected = stream.map(({ sequence }) => sequence).filter((sequence) => sequence > from);
        expect(given.toSorted((a, b) => a - b)).toEqual(expected);
      },
    ),
  );
});

test('without a loss everything is forwarded live and in order', () => {
  fc.assert(
    fc.property(streams, (stream) => {
      const merge = createMerge(0);
      for (const message of stream) {
        expect(decide(merge, message)).toBe('forward');
        markForwarded(merge, message.sequence);
      }
      expect(merge.position).toBe(stream.length);
    }),
  );
});

test('a message that was forwarded is dropped when it comes again', () => {
  const merge = createMerge(4);
  markForwarded(merge, 7);
  expect(decide(merge, { sequence: 3, lastSequence: 0 })).toBe('drop');
  expect(decide(merge, { sequence: 7, lastSequence: 0 })).toBe('drop');
});

test('a message whose predecessor did not come is a gap, and so is one that comes late', () => {
  const merge = createMerge(4);
  expect(decide(merge, { sequence: 9, lastSequence: 6 })).toBe('gap');
  markForwarded(merge, 9);
  expect(decide(merge, { sequence: 8, lastSequence: 0 })).toBe('gap');
});

test('what is remembered of a long live phase is bounded', () => {
  const merge = createMerge(0);
  for (let sequence = 1; sequence <= 3 * seenMax; sequence++) markForwarded(merge, sequence);
  expect(merge.seen.size).toBe(seenMax);
  expect(merge.safe).toBe(2 * seenMax);
  expect(decide(merge, { sequence: 3 * seenMax + 1, lastSequence: 1 })).toBe('forward');
});
