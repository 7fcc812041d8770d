// What is asked of a thread in turn.

import { expect, it } from 'vitest';
import { type IndexThread, oneAtATime } from './index-thread.ts';

it('what is asked next is not asked, and not timed, before what is under way has come to its end', async () => {
  const asked: unknown[] = [];
  const ends: PromiseWithResolvers<unknown>[] = [];
  const thread: IndexThread = {
    ask: (request) => {
      asked.push(request);
      ends.push(Promise.withResolvers());
      return ends.at(-1)!.promise;
    },
    close: async () => undefined,
  };
  const { ask } = oneAtATime(thread);
  const { signal } = new AbortController();
  const answers = [ask('first', signal), ask('second', signal)];
  await Promise.resolve();
  expect(asked).toEqual(['first']);
  ends[0]!.reject(new Error('no'));
  await expect(answers[0]).rejects.toThrow('no');
  await expect.poll(() => asked).toEqual(['first', 'second']);
  ends[1]!.resolve('yes');
  expect(await answers[1]).toBe('yes');
});
