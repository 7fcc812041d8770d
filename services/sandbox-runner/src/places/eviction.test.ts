import { expect, test } from 'vitest';
import { chooseEvicted, effectMsMax, idleMsMin, type OpenSession } from './eviction.ts';

const nowMs = 1_000_000;
const idle = (sessionId: string, forMs: number, memoryMb = 1): OpenSession => ({
  sessionId,
  memoryMb,
  idleSinceMs: nowMs - forMs,
});
const busy = (sessionId: string): OpenSession => ({ sessionId, memoryMb: 1, idleSinceMs: null });
const lacking = (count: number, memoryMb = 0) => ({ count, memoryMb });

test('the session that has been idle longest gives up its place, one for each that is missing', () => {
  const open = [idle('a', 10_000), idle('b', 30_000), idle('c', 20_000)];
  expect(chooseEvicted(lacking(1), open, new Map(), nowMs)).toEqual(['b']);
  expect(chooseEvicted(lacking(2), open, new Map(), nowMs)).toEqual(['b', 'c']);
  expect(chooseEvicted(lacking(9), open, new Map(), nowMs)).toEqual(['b', 'c', 'a']);
  expect(chooseEvicted(lacking(0), open, new Map(), nowMs)).toEqual([]);
});

test('a session with a live command keeps its place, and so does one that has just become idle', () => {
  expect(chooseEvicted(lacking(2), [busy('a'), idle('b', idleMsMin - 1)], new Map(), nowMs)).toEqual([]);
});

test('one that was told already counts, and is told again only when that had no effect for a while', () => {
  const open = [idle('a', 90_000), idle('b', 80_000)];
  expect(chooseEvicted(lacking(1), open, new Map([['a', nowMs - 1]]), nowMs)).toEqual([]);
  expect(chooseEvicted(lacking(2), open, new Map([['a', nowMs - 1]]), nowMs)).toEqual(['b']);
  expect(chooseEvicted(lacking(1), open, new Map([['a', nowMs - effectMsMax]]), nowMs)).toEqual(['a']);
});

test('so much memory is freed as is missing', () => {
  const open = [idle('a', 30_000, 2), idle('b', 20_000, 2), idle('c', 10_000, 8)];
  expect(chooseEvicted(lacking(1, 4), open, new Map(), nowMs)).toEqual(['a', 'b']);
});
