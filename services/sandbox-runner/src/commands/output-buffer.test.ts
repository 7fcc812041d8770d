import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createOutputBuffer } from './output-buffer.ts';
import type { OutputPiece } from './secret-mask.ts';

const limits = { bytesMax: 10, delayMs: 50 };

function piece(text: string, position = 0): OutputPiece {
  return { stream: 'stdout', offset: position, position, bytes: Buffer.from(text) };
}

test('the first bytes are due at once, the next after the delay', () => {
  const buffer = createOutputBuffer(limits);
  expect(buffer.dueInMs(1_000)).toBeUndefined();
  buffer.push(piece('a'));
  expect(buffer.dueInMs(1_000)).toBe(0);
  buffer.take();
  buffer.sent(1_000);
  buffer.push(piece('b', 1));
  expect(buffer.dueInMs(1_010)).toBe(40);
  expect(buffer.dueInMs(1_060)).toBe(0);
});

test('a full event does not wait', () => {
  const buffer = createOutputBuffer(limits);
  buffer.sent(1_000);
  buffer.push(piece('0123456789'));
  expect(buffer.dueInMs(1_001)).toBe(0);
});

test('an event has bytes of one stream, at most its size, and none is lost or moved', () => {
  const stream = fc.constantFrom<OutputPiece['stream']>('stdout', 'stderr');
  const written = fc.array(fc.record({ stream, length: fc.integer({ min: 1, max: 25 }) }), { maxLength: 20 });
  fc.assert(
    fc.property(written, (pieces) => {
      const buffer = createOutputBuffer(limits);
      const offsets = { stdout: 0, stderr: 0 };
      let position = 0;
      for (const { stream, length } of pieces) {
        buffer.push({ stream, offset: offsets[stream], position, bytes: Buffer.alloc(length) });
        offsets[stream] += length;
        position += length;
      }
      const taken = { stdout: 0, stderr: 0 };
      let next = 0;
      for (let one = buffer.take(); one; one = buffer.take()) {
        expect(one.bytes.length).toBeLessThanOrEqual(limits.bytesMax);
        expect(one.position).toBe(next);
        expect(one.offset).toBe(taken[one.stream]);
        taken[one.stream] += one.bytes.length;
        next += one.bytes.length;
      }
      expect(taken).toEqual(offsets);
      expect(buffer.pendingBytes).toBe(0);
    }),
  );
});
