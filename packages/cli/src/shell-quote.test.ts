import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { commandLine } from './shell-quote.ts';

const word = fc.oneof(
  fc.string({ unit: fc.constantFrom(...'\'"\\$`*?[]{}~!#&;|<>() \t\n=-_aZ0.,:/%@+^'), maxLength: 12 }),
  fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0')),
);

test('a shell reads back the very words', () => {
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 6 }), (words) => {
      const line = commandLine(['printf', '%s\\0', ...words]);
      const output = execFileSync('sh', ['-c', line]).toString();
      expect(output.split('\0').slice(0, -1)).toEqual(words);
    }),
    { numRuns: 60 },
  );
});

test('one word is a command line already', () => {
  expect(commandLine(['cd docs && ls | wc -l'])).toBe('cd docs && ls | wc -l');
});

test('plain words stay readable', () => {
  expect(commandLine(['npm', 'run', 'test:unit', '--', '--grep=a/b', 'two words'])).toBe(
    "npm run test:unit -- --grep=a/b 'two words'",
  );
});

test('the first of several words is a program, not an assignment or a keyword', () => {
  expect(commandLine(['A=1', 'x'])).toBe("'A=1' x");
  expect(commandLine(['if', 'x'])).toBe("'if' x");
});
