import fc from 'fast-check';
import { expect, test } from 'vitest';
import { editDistanceWithin } from './edit-distance.ts';

test.each([
  ['store', 'store', 0],
  ['store', 'sotre', 1],
  ['store', 'stor', 1],
  ['store', 'stores', 1],
  ['store', 'stare', 1],
  ['store', 'start', 2],
  ['', 'ab', 2],
  ['store', 'index', undefined],
])('%s and %s: %s', (one, two, distance) => {
  expect(editDistanceWithin(one, two, 2)).toBe(distance);
});

test('it is the same both ways, and a bound only leaves out what is beyond it', () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 7 });
  fc.assert(
    fc.property(word, word, fc.nat(7), (one, two, max) => {
      const whole = editDistanceWithin(one, two, 20)!;
      expect(editDistanceWithin(two, one, 20)).toBe(whole);
      expect(editDistanceWithin(one, two, max)).toBe(whole <= max ? whole : undefined);
    }),
  );
});
