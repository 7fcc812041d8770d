import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createTurns } from './turns.ts';

const { signal } = new AbortController();

function work() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { run: () => promise, end: resolve };
}

test('no more than allowed run at once, in all and of one key, and who waits is let in as soon as there is room for it', async () => {
  const turns = createTurns({ totalMax: 2, perKeyMax: 1, waitMsMax: 10_000 });
  const begun: string[] = [];
  const take = (key: string) => {
    const { run, end } = work();
    const done = turns.take(key, signal, () => {
      begun.push(key);
      return run();
    });
    return { done, end };
  };
  const first = take('a');
  const second = take('a');
  const third = take('b');
  const fourth = take('c');
  await delay(0);
  expect(begun).toEqual(['a', 'b']);
  first.end();
  await first.done;
  await delay(0);
  expect(begun).toEqual(['a', 'b', 'a']);
  third.end();
  await third.done;
  await delay(0);
  expect(begun).toEqual(['a', 'b', 'a', 'c']);
  second.end();
  fourth.end();
  await Promise.all([second.done, fourth.done]);
});

test('who waits too long is told to come again, who leaves gives up the place in line, and a failure frees its own', async () => {
  const turns = createTurns({ totalMax: 1, perKeyMax: 1, waitMsMax: 20 });
  const { run, end } = work();
  const running = turns.take('a', signal, run);
  await expect(turns.take('b', signal, async () => undefined)).rejects.toMatchObject({ code: 'rate_limited' });
  const leaving = new AbortController();
  const left = turns.take('c', leaving.signal, async () => undefined);
  leaving.abort(new Error('gone'));
  await expect(left).rejects.toThrow('gone');
  end();
  await running;
  await expect(turns.take('d', signal, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(await turns.take('e', signal, async () => 'done')).toBe('done');
});
