import { expect, test } from 'vitest';
import { createNextShared } from './session-files.ts';

test('who comes while one is under way shares the next, which begins after they came', async () => {
  const share = createNextShared<number>();
  const begun: PromiseWithResolvers<number>[] = [];
  const work = () => {
    const one = Promise.withResolvers<number>();
    begun.push(one);
    return one.promise;
  };
  const first = share('a', work);
  const [second, third] = [share('a', work), share('a', work)];
  const other = share('b', work);
  expect(begun).toHaveLength(2);
  begun[1]!.resolve(20);
  expect(await other).toBe(20);
  begun[0]!.reject(new Error('no'));
  await expect(first).rejects.toThrow('no');
  await Promise.resolve();
  expect(begun).toHaveLength(3);
  begun[2]!.resolve(3);
  expect(await Promise.all([second, third])).toEqual([3, 3]);
  const fourth = share('a', work);
  expect(begun).toHaveLength(4);
  begun[3]!.resolve(4);
  expect(await fourth).toBe(4);
});
