import { expect, test } from 'vitest';
import { fetchLength } from './feed.ts';

test('a fetch asks for fewer messages the larger they are, and for more step by step while they come', () => {
  const kibibyte = 1024;
  expect(fetchLength(0, 0)).toBe(32);
  expect(fetchLength(3, 600)).toBe(32);
  expect(fetchLength(32, 32 * 200)).toBe(128);
  expect(fetchLength(128, 128 * 200)).toBe(256);
  expect(fetchLength(256, 256 * 200)).toBe(256);
  expect(fetchLength(256, 256 * 64 * kibibyte)).toBe(128);
  expect(fetchLength(32, 32 * 1024 * kibibyte)).toBe(8);
  expect(fetchLength(1, 64 * 1024 * kibibyte)).toBe(1);
});
