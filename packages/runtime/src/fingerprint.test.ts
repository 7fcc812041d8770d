import fc from 'fast-check';
import { expect, test } from 'vitest';
import { suggestionKinds } from '@worktrail/contract/suggestions';
import { fingerprintOf } from './fingerprint.ts';

const kind = fc.constantFrom(...suggestionKinds);

test('case, spaces and punctuation do not matter', () => {
  fc.assert(
    fc.property(
      kind,
      fc.string(),
      fc.array(fc.stringMatching(/^[a-z0-9]{1,8}$/), { minLength: 1 }),
      (of, path, words) => {
        const known = fingerprintOf(of, path, words.join(' '));
        expect(fingerprintOf(of, path, `  ${words.join(' -\n\t')}!`.toUpperCase())).toBe(known);
        expect(fingerprintOf(of, path, [...words, 'more'].join(' '))).not.toBe(known);
      },
    ),
  );
});

test('another kind or path is another finding, however they are put together', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(kind, fc.string(), fc.stringMatching(/^[a-z]{0,3}$/)), { maxLength: 30 }), (all) => {
      const distinct = new Set(all.map((one) => JSON.stringify(one)));
      expect(new Set(all.map((one) => fingerprintOf(...one))).size).toBe(distinct.size);
    }),
  );
});

test('what has no letter or digit is known as it is', () => {
  expect(fingerprintOf('todo', 'a', '!')).not.toBe(fingerprintOf('todo', 'a', '?'));
});
