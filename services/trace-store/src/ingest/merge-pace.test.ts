import { expect, test } from 'vitest';
import { createMergePace, isToDefer } from './merge-pace.ts';

test('merges wait from much that is to be stored until little is, or too many parts are there', () => {
  expect(isToDefer(false, 20_001, 3)).toBe(true);
  expect(isToDefer(false, 20_000, 3)).toBe(false);
  expect(isToDefer(false, 1_000_000, 40)).toBe(false);
  expect(isToDefer(true, 1_001, 119)).toBe(true);
  expect(isToDefer(true, 1_000, 3)).toBe(false);
  expect(isToDefer(true, 1_000_000, 120)).toBe(false);
});

test('the first run puts right what a process before left, and each change is told once, until it is taken', async () => {
  const told: string[] = [];
  let [behind, fails] = [0, false];
  const pace = createMergePace({
    clickhouse: {
      rows: async () => [{ parts: '3' }] as never[],
      command: async (statement) => {
        if (fails) throw new Error('no');
        told.push(/= (\d+)$/.exec(statement)![1]!);
      },
    },
    behind: () => behind,
  });
  await pace.run();
  await pace.run();
  expect(told).toEqual([String(1024 ** 3)]);
  [behind, fails] = [50_000, true];
  await expect(pace.run()).rejects.toThrow('no');
  fails = false;
  await pace.run();
  await pace.run();
  expect(told.slice(1)).toEqual([String(1024 ** 2)]);
});
