import fc from 'fast-check';
import { expect, test } from 'vitest';
import { assembleOutput, chunksNeeded, type OutputChunk } from './assemble-output.ts';

const total = fc.uint8Array({ minLength: 1, maxLength: 200 });
const borders = fc.array(fc.tuple(fc.nat(200), fc.nat(60)), { maxLength: 30 });

/** Chunks over the whole, cut differently by each attempt, in ascending order of offset. */
function chunksOf(bytes: Uint8Array, cuts: [number, number][]): OutputChunk[] {
  const chunks = cuts.map(([at, length]) => ({ offset: at, bytes: bytes.subarray(at, at + length) }));
  for (let at = 0; at < bytes.length; at += 37) chunks.push({ offset: at, bytes: bytes.subarray(at, at + 37) });
  return chunks
    .filter((chunk) => chunk.bytes.length > 0)
    .sort((a, b) => a.offset - b.offset || b.bytes.length - a.bytes.length);
}

test('reading on from each next offset gives every byte once, whatever the borders and the limit', () => {
  fc.assert(
    fc.property(total, borders, fc.integer({ min: 1, max: 70 }), (bytes, cuts, limit) => {
      const chunks = chunksOf(bytes, cuts);
      const parts: Uint8Array[] = [];
      for (let offset = 0; offset < bytes.length; ) {
        const later = chunks.filter((chunk) => chunk.offset + chunk.bytes.length > offset);
        const part = assembleOutput(later, offset, limit, true, bytes.length);
        expect(part.gaps).toEqual([]);
        expect(part.bytes.length).toBeLessThanOrEqual(limit);
        expect(part.nextOffset).toBe(offset + part.bytes.length);
        expect(part.bytes.length).toBeGreaterThan(0);
        parts.push(part.bytes);
        offset = part.nextOffset;
      }
      expect(Buffer.concat(parts).equals(bytes)).toBe(true);
    }),
  );
});

test('bytes and gaps together cover the output, also where chunks are missing', () => {
  fc.assert(
    fc.property(total, borders, fc.integer({ min: 1, max: 300 }), (bytes, cuts, limit) => {
      const chunks = chunksOf(bytes, cuts).filter((_, index) => index % 3 !== 1);
      const { bytes: read, gaps, nextOffset } = assembleOutput(chunks, 0, limit, true, bytes.length);
      const skipped = gaps.reduce((sum, gap) => sum + gap.toOffset - gap.fromOffset, 0);
      expect(read.length + skipped).toBe(nextOffset);
      for (const gap of gaps) {
        const covering = chunks.filter((c) => c.offset < gap.toOffset && c.offset + c.bytes.length > gap.fromOffset);
        expect(covering).toEqual([]);
      }
      if (read.length < limit) expect(nextOffset).toBe(bytes.length);
    }),
  );
});

test('the chunks that are needed for a limit are enough for it', () => {
  fc.assert(
    fc.property(total, borders, fc.nat(100), fc.integer({ min: 1, max: 100 }), (bytes, cuts, from, limit) => {
      const chunks = chunksOf(bytes, cuts).filter((chunk) => chunk.offset + chunk.bytes.length > from);
      const ranges = chunks.map((chunk) => ({ offset: chunk.offset, size: chunk.bytes.length }));
      const some = assembleOutput(chunks.slice(0, chunksNeeded(ranges, from, limit)), from, limit, false, undefined);
      const all = assembleOutput(chunks, from, limit, true, undefined);
      expect(some).toEqual(all);
    }),
  );
});

test('a running command has no gap at its end, an ended one has what it lacks', () => {
  expect(assembleOutput([], 5, 10, true, undefined)).toMatchObject({ nextOffset: 5, gaps: [] });
  expect(assembleOutput([], 5, 10, true, 9)).toMatchObject({ nextOffset: 9, gaps: [{ fromOffset: 5, toOffset: 9 }] });
});
