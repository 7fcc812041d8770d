// The texts that edits lead to.

import { createTwoFilesPatch } from 'diff';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { EditRefused, readPatch, replaced } from './edit-text.ts';

it('a text is replaced where it stands once, or everywhere when all are meant', () => {
  expect(replaced('a b c', { find: 'b', replace: 'x', all: false })).toBe('a x c');
  expect(replaced('a a', { find: 'a', replace: 'aa', all: true })).toBe('aa aa');
  // No pattern, and nothing that a replacement could mean.
  expect(replaced('$& .*', { find: '.*', replace: '$&$1', all: false })).toBe('$& $&$1');
});

it.each([
  ['', 'x', 'is empty'],
  ['b', 'b', 'the same'],
  ['z', 'x', 'does not stand'],
  ['a', 'x', 'stands 2 times'],
])('"%s" for "%s" is refused: %s', (find, replace, why) => {
  expect(() => replaced('a b a', { find, replace, all: false })).toThrow(why);
});

it('a patch leads from any text to any other', () => {
  const lines = fc
    .array(fc.constantFrom('a', 'b', 'c', '', 'line'))
    .map((all) => all.map((line) => `${line}\n`).join(''));
  fc.assert(
    fc.property(lines, lines, (before, after) => {
      fc.pre(before !== after);
      const [file] = readPatch(createTwoFilesPatch('a/f', 'b/f', before, after));
      expect([file!.from, file!.to, file!.apply(before)]).toEqual(['f', 'f', after]);
    }),
  );
});

it('new, deleted and several files are told apart; what does not fit is not applied', () => {
  const patch = `--- /dev/null\n+++ b/new\n@@ -0,0 +1 @@\n+x\n--- a/old\n+++ /dev/null\n@@ -1 +0,0 @@\n-y\n`;
  const files = readPatch(patch);
  expect(files.map(({ from, to }) => [from, to])).toEqual([
    [null, 'new'],
    ['old', null],
  ]);
  expect(files[0]!.apply('')).toBe('x\n');
  expect(files[1]!.apply('something else\n')).toBeUndefined();
});

it.each(['', 'hello', '@@ nonsense'])('"%s" is no patch', (text) => {
  expect(() => readPatch(text)).toThrow(EditRefused);
});

it('a text that would be too large, and a patch that would take too long, are refused', () => {
  const many = 'a'.repeat(10_000);
  expect(() => replaced(many, { find: 'a', replace: 'b'.repeat(1_000), all: true })).toThrow('would be over');
  const hunks = Array.from({ length: 5_000 }, (_, index) => `@@ -${index + 1} +${index + 1} @@\n-a\n+b\n`);
  const [file] = readPatch(`--- a/f\n+++ b/f\n${hunks.join('')}`);
  expect(() => file!.apply('a\n'.repeat(10_000))).toThrow('too much');
});
