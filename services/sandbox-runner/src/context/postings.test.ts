import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createPostingCollector, forEachList, forEachPosting, type PostingBytes } from './postings.ts';

const documents = fc.array(fc.array(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 5 }), { maxLength: 12 }), {
  maxLength: 40,
});

function encode(of: readonly string[][], spread = 1): PostingBytes {
  const collector = createPostingCollector();
  for (const [number, terms] of of.entries()) for (const term of terms) collector.add(term, number * spread);
  return collector.encode();
}

function read(postings: PostingBytes, term: string): [number, number][] {
  const found: [number, number][] = [];
  forEachPosting(postings, Buffer.from(term), (number, count) => found.push([number, count]));
  return found;
}

test('each term leads to what has it, in order, as often as it does', () => {
  fc.assert(
    fc.property(documents, fc.constantFrom(1, 200, 100_000_000), (of, spread) => {
      const postings = encode(of, spread);
      for (const term of new Set(of.flat())) {
        const expected = of.flatMap((terms, number) => {
          const count = terms.filter((one) => one === term).length;
          return count > 0 ? [[number * spread, count]] : [];
        });
        expect(read(postings, term)).toEqual(expected);
      }
    }),
  );
});

test('a term that nothing has leads nowhere', () => {
  const postings = encode([['b', 'd'], ['b']]);
  for (const term of ['', 'a', 'bb', 'c', 'z', 'é']) {
    expect(forEachPosting(postings, Buffer.from(term), () => expect.unreachable())).toBe(false);
  }
  expect(forEachPosting(encode([]), Buffer.from('a'), () => undefined)).toBe(false);
});

test('what is read of one is as good as what it was made from', () => {
  fc.assert(
    fc.property(documents, (of) => {
      const again = createPostingCollector();
      const postings = encode(of);
      forEachList(postings, (term, each) => each((number, count) => again.add(term, number, count)));
      expect(again.encode()).toEqual(postings);
    }),
  );
});
