import { expect, test } from 'vitest';
import { createGivenAddresses } from './given-addresses.ts';

test('an address stands for the names it was given for, for an hour, and the oldest of too many go', () => {
  let nowMs = 0;
  const given = createGivenAddresses(() => nowMs);
  given.give('a.example', ['1.1.1.1', '1.1.1.2']);
  given.give('b.example', ['1.1.1.1']);
  given.give('a.example', ['1.1.1.1']);
  expect(given.namesOf('1.1.1.1')).toEqual(['a.example', 'b.example']);
  expect(given.namesOf('1.1.1.2')).toEqual(['a.example']);
  expect(given.namesOf('1.1.1.3')).toEqual([]);
  nowMs = 60 * 60_000;
  expect(given.namesOf('1.1.1.1')).toEqual([]);
  for (let at = 0; at < 2_000; at += 1) given.give(`n${at}`, [`2.2.${at >> 8}.${at & 255}`, '3.3.3.3']);
  expect(given.namesOf('2.2.0.0')).toEqual([]);
  expect(given.namesOf('2.2.7.207')).toEqual(['n1999']);
  expect(given.namesOf('3.3.3.3')).toHaveLength(8);
});
