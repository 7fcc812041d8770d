import fc from 'fast-check';
import { expect, test } from 'vitest';
import { textOf } from './statement.ts';

test('text is text, whatever it holds', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const wellFormed = text.toWellFormed();
      expect(textOf(Buffer.from(wellFormed))).toBe(wellFormed);
    }),
  );
});

test.each([
  [[0xff], '\\xff'],
  [[0xc3, 0xbc], 'ü'],
  [[0xc3, 0x27], "\\xc3'"],
  [[0x5c, 0x5c, 0x80], '\\\\\\x80'],
  [[0xed, 0xa0, 0x80], '\\xed\\xa0\\x80'],
  [[0xf0, 0x9f, 0x98, 0x80, 0xf0], '😀\\xf0'],
])('bytes %o, of which some are no text, stand by their numbers', (bytes, text) => {
  expect(textOf(Buffer.from(bytes))).toBe(text);
});
