import { expect, test } from 'vitest';
import { inheritedAt } from './inherited-history.ts';

const at = (sequence: number) => ({ epoch: 1_000, sequence });
const first = { id: 'ses_1', branch: 'one', inherited: [] };

test('a fork begins with its parent up to the checkpoint', () => {
  expect(inheritedAt(first, at(36))).toEqual([{ sessionId: 'ses_1', branch: 'one', upTo: 'rs-10' }]);
});

test('a fork of a fork begins with both, and ends where it was made, whose part that may be', () => {
  const second = { id: 'ses_2', branch: 'two', inherited: inheritedAt(first, at(36)) };
  const third = { id: 'ses_3', branch: 'three', inherited: inheritedAt(second, at(72)) };
  expect(third.inherited.map(({ sessionId, upTo }) => [sessionId, upTo])).toEqual([
    ['ses_1', 'rs-10'],
    ['ses_2', 'rs-20'],
  ]);
  expect(inheritedAt(third, at(80)).map(({ branch }) => branch)).toEqual(['one', 'two', 'three']);
  expect(inheritedAt(third, at(40)).at(-1)).toEqual({ sessionId: 'ses_2', branch: 'two', upTo: 'rs-14' });
  expect(inheritedAt(third, at(36))).toEqual([{ sessionId: 'ses_1', branch: 'one', upTo: 'rs-10' }]);
  expect(inheritedAt(third, at(3))).toEqual([{ sessionId: 'ses_1', branch: 'one', upTo: 'rs-3' }]);
});
