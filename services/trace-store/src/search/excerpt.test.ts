import fc from 'fast-check';
import { expect, test } from 'vitest';
import { excerptOf } from './excerpt.ts';
import { lowerAscii, parseTerms } from './search-terms.ts';

function marked(text: string, q: string): string {
  const excerpt = excerptOf(Buffer.from(text), parseTerms(q));
  return excerpt.highlights.reduceRight(
    (all, { from, to }) => `${all.slice(0, from)}[${all.slice(from, to)}]${all.slice(to)}`,
    excerpt.text,
  );
}

test('every place of every term is marked, overlapping ones as one', () => {
  expect(marked('An Error: no error, terror', 'error')).toBe('An [Error]: no [error], terror');
  expect(marked('connection refused; refused', '"connection refused"')).toBe('[connection refused]; [refused]');
  expect(marked('repository repo', 'repo*')).toBe('[repository] [repo]');
  expect(marked('see src/a.ts', 'src/a.ts')).toBe('see [src/a.ts]');
});

test('what is long is cut around the first place, between words', () => {
  const text = `${'before '.repeat(100)}needle ${'after '.repeat(100)}`;
  const { text: piece, highlights } = excerptOf(Buffer.from(text), parseTerms('needle'));
  expect(piece.length).toBeLessThanOrEqual(400);
  expect(piece).toMatch(/^before .*before needle after .*after$/);
  expect(highlights.map(({ from, to }) => piece.slice(from, to))).toEqual(['needle']);
});

test('bytes that are no text, or of which the term is not shown, do no harm', () => {
  const odd = Buffer.concat([Buffer.from([0xff, 0xfe, 0]), Buffer.from(' needle '), Buffer.from([0xc3])]);
  expect(excerptOf(odd, parseTerms('needle'))).toEqual({
    text: '\ufffd\ufffd\0 needle \ufffd',
    highlights: [{ from: 4, to: 10 }],
  });
  expect(excerptOf(Buffer.from('nothing here'), parseTerms('needle'))).toEqual({
    text: 'nothing here',
    highlights: [],
  });
});

test('whatever the text, a piece of it is shown, well-formed and bounded, and what is marked is a term', () => {
  const piece = fc.oneof(
    fc.constant('needle'),
    fc.string({ unit: 'binary', maxLength: 30 }),
    fc.constant('x'.repeat(500)),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), fc.constantFrom(' ', '', '\u{1f600}'), (parts, between) => {
      const text = parts.join(between).replaceAll('\ufeff', '');
      const excerpt = excerptOf(Buffer.from(text), parseTerms('needle nee*'));
      expect(text).toContain(excerpt.text);
      expect(excerpt.text.isWellFormed()).toBe(true);
      expect(excerpt.text.length).toBeLessThanOrEqual(400);
      let end = -1;
      for (const { from, to } of excerpt.highlights) {
        expect(from).toBeGreaterThan(end);
        expect(to).toBeLessThanOrEqual(excerpt.text.length);
        expect(lowerAscii(excerpt.text.slice(from, to))).toMatch(/^nee/);
        end = to;
      }
    }),
  );
});
