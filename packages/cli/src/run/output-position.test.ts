import fc from 'fast-check';
import { expect, test } from 'vitest';
import { missingAtEnd, type OutputPosition, startPosition, takeOutput } from './output-position.ts';

const chunks = fc.array(
  fc.record({ stream: fc.constantFrom('stdout' as const, 'stderr' as const), from: fc.nat(60), length: fc.nat(30) }),
  { maxLength: 20 },
);

test('whatever is cut, lost or sent again, every byte is written once and in order', () => {
  fc.assert(
    fc.property(chunks, (list) => {
      const whole = Uint8Array.from({ length: 100 }, (_, index) => index);
      const written = { stdout: [] as number[], stderr: [] as number[] };
      const fill = (stream: 'stdout' | 'stderr', from: number, to: number) =>
        written[stream].push(...whole.subarray(from, to));
      let position: OutputPosition = startPosition;
      for (const { stream, from, length } of list) {
        const taken = takeOutput(position, { stream, offset: from, bytes: whole.subarray(from, from + length) });
        if (taken.missing) fill(stream, taken.missing.from, taken.missing.to);
        written[stream].push(...taken.fresh);
        position = taken.position;
      }
      for (const stream of ['stdout', 'stderr'] as const) {
        const missing = missingAtEnd(position, stream, 100);
        if (missing) fill(stream, missing.from, missing.to);
        expect(written[stream]).toEqual([...whole]);
      }
    }),
  );
});

test('nothing is missing from a stream that is whole', () => {
  expect(missingAtEnd({ stdout: 5, stderr: 0 }, 'stdout', 5)).toBeNull();
});
