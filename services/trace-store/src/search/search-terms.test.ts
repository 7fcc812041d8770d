import { Code } from '@connectrpc/connect';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseTerms } from './search-terms.ts';

const none = { words: [], beginnings: [], phrases: [] };

test.each([
  ['Connection refused', { words: ['connection', 'refused'] }],
  ['error:', { words: ['error'] }],
  ['"Error:"', { words: ['error'], phrases: ['error:'] }],
  ['"connection refused" ENOENT', { words: ['connection', 'refused', 'enoent'], phrases: ['connection refused'] }],
  ['"not closed', { words: ['not', 'closed'], phrases: ['not closed'] }],
  ['src/a.ts', { words: ['src', 'a', 'ts'], phrases: ['src/a.ts'] }],
  ['repos*', { beginnings: ['repos'] }],
  ['src/repos*', { words: ['src'], beginnings: ['repos'], phrases: ['src/repos'] }],
  ['"repos*"', { words: ['repos'], phrases: ['repos*'] }],
  ['Größe ünï*', { words: ['größe'], beginnings: ['ünï'] }],
  ['-- a', { words: ['a'] }],
])('%s is looked for as it is meant', (q, terms) => {
  expect(parseTerms(q)).toEqual({ ...none, ...terms });
});

test.each(['', '   ', '!!!', '""', '*', 'a*', 'x '.repeat(21)])('"%s" cannot be searched for', (q) => {
  expect(() => parseTerms(q)).toThrow(expect.objectContaining({ code: Code.InvalidArgument }));
});

test('whatever is asked, there is something to look for, or a refusal', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (q) => {
      try {
        const { words, beginnings, phrases } = parseTerms(q);
        expect(words.length + beginnings.length).toBeGreaterThan(0);
        expect([...words, ...beginnings, ...phrases]).not.toContain('');
      } catch (error) {
        expect(error).toMatchObject({ code: Code.InvalidArgument });
      }
    }),
  );
});
