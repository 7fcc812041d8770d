import fc from 'fast-check';
import { expect, test } from 'vitest';
import { termLengthMax, termsOf, wordsOf } from './code-tokens.ts';

test.each([
  ['parseHTTPRequest2', ['parsehttprequest2', 'parse', 'http', 'request']],
  ['snake_case_name', ['snakecasename', 'snake', 'case', 'name']],
  ['SCREAMING_CASE', ['screamingcase', 'screaming', 'case']],
  ['__init__', ['init']],
  ['const x = utf8Decode(b)', ['const', 'utf8decode', 'utf', 'decode']],
  ['http2', ['http2', 'http']],
  ['größeÄndern', ['größeändern', 'größe', 'ändern']],
  ['検索機能', ['検索', '索機', '機能']],
  ['a.b->c', []],
  ['kebab-case/path.ts', ['kebab', 'case', 'path', 'ts']],
])('%s gives %j', (text, terms) => {
  expect(termsOf(text)).toEqual(terms);
});

test('what is too long to be a word gives no term, and what stands beside it does', () => {
  expect(termsOf(`before ${'a'.repeat(termLengthMax + 1)} after`)).toEqual(['before', 'after']);
  expect(termsOf('a'.repeat(termLengthMax))).toHaveLength(1);
});

test('the words of a name are told apart however it is written', () => {
  const words = ['parse', 'http', 'request'];
  for (const name of ['parseHttpRequest', 'ParseHTTPRequest', 'parse_http_request', 'PARSE_HTTP_REQUEST']) {
    expect(wordsOf(name)).toEqual(words);
  }
});

test('any text gives bounded terms in lower case, the same each time', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 500 }), (text) => {
      const terms = termsOf(text);
      expect(termsOf(text)).toEqual(terms);
      expect(terms.length).toBeLessThanOrEqual(2 * text.length);
      for (const term of terms) {
        expect(term.length).toBeGreaterThan(0);
        expect(term.length).toBeLessThanOrEqual(termLengthMax);
        expect(term.toLowerCase()).toBe(term);
      }
    }),
  );
});

test('a large text without spaces takes no longer than its length asks for', () => {
  const begun = process.threadCpuUsage();
  termsOf('aB1_'.repeat(250_000));
  termsOf('a '.repeat(500_000));
  expect(process.threadCpuUsage(begun).user).toBeLessThan(2_000_000);
});
