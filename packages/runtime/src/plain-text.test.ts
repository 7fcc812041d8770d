import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cutText, oneLine, plainText } from './plain-text.ts';

const piece = fc.constantFrom(
  '\u001b[31m',
  '\u001b]0;t\u0007',
  '\u202e',
  '\ud800',
  '\0',
  '\r\n',
  '\n',
  '\t',
  '\u0085',
  '\u2028',
  'a',
  'é',
  '👍',
);
const hostile = fc.array(piece).map((parts) => parts.join(''));

test('a line is one line that moves no cursor, and bounded', () => {
  fc.assert(
    fc.property(hostile, fc.integer({ min: 1, max: 20 }), (text, max) => {
      const line = oneLine(text, max);
      expect(line).not.toMatch(/[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/u);
      expect(line.isWellFormed()).toBe(true);
      expect(line.length).toBeLessThanOrEqual(max);
    }),
  );
  expect(oneLine('  a\u001b[2J b\n\tc ', 99)).toBe('a b c');
});

test('text keeps its lines, and nothing else of control', () => {
  fc.assert(
    fc.property(hostile, fc.integer({ min: 1, max: 20 }), (text, max) => {
      const plain = plainText(text, max);
      expect(plain.replaceAll(/[\n\t]/g, '')).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u);
      expect(plain.isWellFormed()).toBe(true);
      expect(plain.length).toBeLessThanOrEqual(max);
    }),
  );
  expect(plainText('a\r\n\u001b[1mb\u001b[0m\tc', 99)).toBe('a\nb\tc');
});

test('what is cut says so, and no character is halved', () => {
  expect(cutText('abc', 3)).toBe('abc');
  expect(cutText('abcd', 3)).toBe('ab…');
  expect(cutText('a👍👍', 3).isWellFormed()).toBe(true);
});
