import { expect, test } from 'vitest';
import { fetchLength } from './feed.ts';

test('a fetch asks for fewer messages the larger they are, for some of any size, and for a bounded number of the smallest', () => {
  expect(fetchLength(0)).toBe(128);
  expect(fetchLength(200)).toBe(128);
  expect(fetchLength(256 * 1024)).toBe(32);
  expect(fetchLength(1024 * 1024)).toBe(8);
  expect(fetchLength(64 * 1024 * 1024)).toBe(1);
});
