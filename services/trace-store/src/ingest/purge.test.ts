import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createSettling, planPurge, tailWithin } from './purge.ts';

const extent = fc
  .record({
    firstSequence: fc.integer({ min: 1, max: 1000 }),
    messages: fc.integer({ min: 1, max: 1000 }),
    bytes: fc.nat(100_000),
  })
  .map((stream) => ({ ...stream, lastSequence: stream.firstSequence + stream.messages - 1 }));

test('only what is stored is purged, and the tail stays', () => {
  fc.assert(
    fc.property(extent, fc.nat(2500), fc.nat(500), fc.nat(50_000), (stream, stored, messages, bytes) => {
      const firstKept = planPurge(stream, stored, { messages, bytes });
      if (firstKept === undefined) return;
      expect(firstKept).toBeGreaterThan(stream.firstSequence);
      expect(firstKept).toBeLessThanOrEqual(stored + 1);
      const bytesPerMessage = Math.max(1, stream.bytes / stream.messages);
      const kept = stream.lastSequence - firstKept + 1;
      expect(kept).toBeGreaterThanOrEqual(Math.min(messages, Math.floor(bytes / bytesPerMessage), stream.messages));
    }),
  );
});

test('a stream that is stored and has no tail to keep is emptied', () => {
  const stream = { firstSequence: 1, lastSequence: 100, messages: 100, bytes: 5_000 };
  expect(planPurge(stream, 100, { messages: 0, bytes: 0 })).toBe(101);
  expect(planPurge(stream, 40, { messages: 0, bytes: 0 })).toBe(41);
});

test('nothing is purged for a few messages beyond a long tail', () => {
  const stream = { firstSequence: 1, lastSequence: 1_010, messages: 1_010, bytes: 50_500 };
  expect(planPurge(stream, 1_010, { messages: 1_000, bytes: 10 ** 9 })).toBeUndefined();
});

test('a full stream whose messages are all stored is purged, whatever its size and its tail', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2 ** 20, max: 2 ** 33 }),
      fc.integer({ min: 100, max: 2 ** 20 }),
      (bytesMax, size) => {
        const messages = Math.max(1, Math.floor(bytesMax / size));
        const stream = { firstSequence: 1, lastSequence: messages, messages, bytes: messages * size };
        const firstKept = planPurge(stream, messages, tailWithin({ messages: 20_000, bytes: 512 * 2 ** 20 }, bytesMax));
        expect(firstKept).toBeGreaterThan(messages / 4);
      },
    ),
  );
});

test('what was stored a moment ago is not settled, and a new epoch settles anew', () => {
  const settling = createSettling();
  expect(settling.at(1_000)).toBe(0);
  settling.add({ epoch: 1, sequence: 10 }, 1_000);
  settling.add({ epoch: 1, sequence: 25 }, 2_000);
  expect([settling.at(999), settling.at(1_000), settling.at(1_999), settling.at(5_000)]).toEqual([0, 10, 10, 25]);
  settling.add({ epoch: 2, sequence: 3 }, 3_000);
  expect([settling.at(2_999), settling.at(3_000)]).toEqual([0, 3]);
});
