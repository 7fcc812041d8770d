import { isId } from '@worktrail/contract/ids';
import { expect, test } from 'vitest';
import { createDraw, newSeed } from './draw.ts';

test('the same seed draws the same ids and secrets, another seed none of them', () => {
  const seed = newSeed();
  const take = (from: Buffer) => {
    const draw = createDraw(from, 1_790_000_000_000);
    return [draw.id('session'), draw.id('session'), draw.id('command'), draw.bytes('secret').toString('hex')];
  };
  expect(take(seed)).toEqual(take(seed));
  expect(take(newSeed()).filter((value) => take(seed).includes(value))).toEqual([]);
});

test('ids of one draw are well-formed, distinct and sorted as drawn', () => {
  const draw = createDraw(newSeed(), 1_790_000_000_000);
  const ids = Array.from({ length: 300 }, () => draw.id('session'));
  expect(ids.every((id) => isId(id, 'session'))).toBe(true);
  expect(ids).toEqual([...new Set(ids)].toSorted());
});
