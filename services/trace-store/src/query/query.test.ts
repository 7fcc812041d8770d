import fc from 'fast-check';
import { expect, test } from 'vitest';
import { jsonElements } from './query.ts';

test('an array of JSON is taken apart into the texts of its elements', () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue()), (values) => {
      const texts = values.map((value) => JSON.stringify(value));
      expect(jsonElements(`[${texts.join(',')}]`)).toEqual(texts);
    }),
  );
});
