// Which bytes are shown.

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { readLines } from './read-lines.ts';

const texts = fc
  .array(fc.constantFrom('a', 'bc', 'ü', '😀', '\n', '\r\n', '\n\n', ' '), { maxLength: 60 })
  .map((parts) => parts.join(''));

it('what is shown are those bytes of the text, in whole lines, and nothing is left out between two reads', () => {
  fc.assert(
    fc.property(texts, fc.integer({ min: 1, max: 5 }), fc.integer({ min: 4, max: 40 }), (text, lines, bytesMax) => {
      const bytes = Buffer.from(text);
      let at = 0;
      for (let first: number | null = 1; first !== null; ) {
        const read = readLines(text, first, lines, bytesMax);
        expect(read.offset).toBe(at);
        expect(bytes.subarray(at, at + read.bytes.length).equals(read.bytes)).toBe(true);
        expect(read.bytes.length).toBeLessThanOrEqual(bytesMax);
        expect(read.lines.length).toBeLessThanOrEqual(lines);
        expect(read.lines.join('\n').replace(/\n$/, '')).toBe(
          read.bytes.toString().replace(/\n$/, '').replace(/\n$/, ''),
        );
        if (read.isCut) return;
        at += read.bytes.length;
        first = read.nextLine;
      }
      expect(at).toBe(bytes.length);
    }),
  );
});

it('a line that is not there is the end', () => {
  expect(readLines('a\nb\n', 3, 1, 100)).toMatchObject({ lines: [], total: 2, offset: 4, nextLine: null });
  expect(readLines('', 1, 1, 100)).toMatchObject({ lines: [], total: 0, offset: 0, nextLine: null });
});

it('of a line that is too long its beginning is shown, up to a character', () => {
  const read = readLines('aü😀\nb', 1, 5, 5);
  expect(read).toMatchObject({ lines: ['aü'], isCut: true, nextLine: 2 });
  expect(read.bytes).toEqual(Buffer.from('aü'));
});
