// What is asked of a thread, in turn and at once.

import { expect, it } from 'vitest';
import { createIndexThread, type IndexThread, oneAtATime, ThreadLost } from './index-thread.ts';

const { signal } = new AbortController();

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
  const answers = [ask('first', signal), ask('second', signal)];
  await Promise.resolve();
  expect(asked).toEqual(['first']);
  ends[0]!.reject(new Error('no'));
  await expect(answers[0]).rejects.toThrow('no');
  await expect.poll(() => asked).toEqual(['first', 'second']);
  ends[1]!.resolve('yes');
  expect(await answers[1]).toBe('yes');
});

/** A thread that does one thing after the other, each for so many milliseconds. */
const program = new URL(
  `data:text/javascript,${encodeURIComponent(`
    import { parentPort } from 'node:worker_threads';
    const sleeping = new Int32Array(new SharedArrayBuffer(4));
    parentPort.on('message', ({ id, kind, request }) => {
      if (kind === 'cancel') return;
      Atomics.wait(sleeping, 0, 0, request);
      parentPort.postMessage({ id, result: request });
    });
  `)}`,
);
const startThread = (silentMsMax: number) =>
  createIndexThread({ kind: 'search', program, heapMbMax: 64, silentMsMax, idleMsMax: 60_000 });

it('a thread that answers one after the other is not silent, however many wait', async () => {
  const thread = startThread(4_000);
  const answers = [1_100, 1_101, 1_102, 1_103].map((ms) => thread.ask(ms, signal));
  expect(await Promise.all(answers)).toEqual([1_100, 1_101, 1_102, 1_103]);
  await thread.close();
});

it('one that answers nothing is lost with all that it was asked, and the next request has another', async () => {
  const thread = startThread(1_000);
  const silent = [thread.ask(20_000, signal), thread.ask(1, signal)];
  for (const answer of await Promise.allSettled(silent)) {
    expect(answer).toMatchObject({ status: 'rejected', reason: expect.any(ThreadLost) });
  }
  expect(await thread.ask(1, signal)).toBe(1);
  await thread.close();
});
