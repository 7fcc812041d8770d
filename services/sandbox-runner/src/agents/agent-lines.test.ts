// What an agent prints, however it comes in pieces.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createAgentLines } from './agent-lines.ts';

function frame(stream: 'stdout' | 'stderr', offset: number, bytes: Uint8Array) {
  return { type: 'output', timeNs: 0n, stream, offset, position: offset, bytes } as const;
}

describe('the lines of an agent', () => {
  it('are the same however they are cut, each with where it ends', () => {
    const text = fc.array(
      fc.string({ unit: 'binary', maxLength: 20 }).map((one) => one.replaceAll('\n', ' ').toWellFormed()),
    );
    fc.assert(
      fc.property(text, fc.array(fc.nat({ max: 40 }), { maxLength: 6 }), (lines, cuts) => {
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
        const places = [...new Set([0, ...cuts.filter((at) => at < bytes.length), bytes.length])].toSorted(
          (a, b) => a - b,
        );
        const reader = createAgentLines();
        const printed = places.slice(1).flatMap((to, index) => {
          const from = places[index]!;
          // The buffer of a journal's reader is used again.
          const piece = Uint8Array.from(bytes.subarray(from, to));
          const taken = reader.take(frame('stdout', from, piece));
          piece.fill(0);
          return taken;
        });
        const found = printed.flatMap((one) => (one.what === 'line' ? [one] : []));
        expect(found.map((one) => one.text)).toEqual(lines);
        expect(found.at(-1)?.end ?? 0).toBe(bytes.length);
      }),
      { numRuns: 40 },
    );
  });

  it('are bounded', () => {
    const reader = createAgentLines();
    const piece = new Uint8Array(65_536).fill(120);
    expect(() => {
      for (let n = 0; n < 100; n += 1) reader.take(frame('stdout', n * piece.length, piece));
    }).toThrow('over 4194304 bytes');
  });

  it('keep the end of what is printed beside them', () => {
    const reader = createAgentLines();
    for (let n = 0; n < 1_000; n += 1) reader.take(frame('stderr', n * 6, Buffer.from(`${String(n).padStart(5)}\n`)));
    expect(reader.complaint()).toMatch(/ {2}999\n$/);
    expect(reader.complaint().length).toBeLessThanOrEqual(2_000);
  });
});
