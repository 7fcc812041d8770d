import { Code } from '@connectrpc/connect';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createFairShare } from './fair-share.ts';

const bounds = { atOnce: 1, waitingMax: 2, waitMsMax: 60_000 };

/** Work that ends when it is told to. */
function held() {
  const { promise, resolve } = Promise.withResolvers<string>();
  let isBegun = false;
  const work = () => {
    isBegun = true;
    return promise;
  };
  return { work, end: () => resolve('done'), isBegun: () => isBegun };
}

test('of one asker one runs after the other, whatever others do, and too many are refused', async () => {
  const share = createFairShare(bounds);
  const [first, second, third, other] = [held(), held(), held(), held()];
  const asked = [first, second, third].map(({ work }) => share.use('a', work));
  const others = share.use('b', other.work);
  await expect(share.use('a', async () => 'never')).rejects.toMatchObject({ code: Code.Aborted });
  expect([first, second, third, other].map((one) => one.isBegun())).toEqual([true, false, false, true]);
  first.end();
  await asked[0];
  await expect.poll(second.isBegun).toBe(true);
  expect(third.isBegun()).toBe(false);
  for (const one of [second, third, other]) one.end();
  expect(await Promise.all([...asked, others])).toEqual(['done', 'done', 'done', 'done']);
  expect(await share.use('a', async () => 'again')).toBe('again');
});

test('who has gone, or has waited too long, has no turn, and is told so', async () => {
  const share = createFairShare({ ...bounds, waitMsMax: 20 });
  const first = held();
  const running = share.use('a', first.work);
  const gone = new AbortController();
  const leaving = share.use('a', () => Promise.reject(new Error('it has run')), gone.signal);
  gone.abort(new Error('gone'));
  await expect(leaving).rejects.toThrow('gone');
  await expect(share.use('a', async () => 'never', gone.signal)).rejects.toThrow('gone');
  await expect(share.use('a', () => Promise.reject(new Error('it has run')))).rejects.toMatchObject({
    code: Code.Aborted,
    rawMessage: expect.stringContaining('has waited 0.02 s'),
  });
  first.end();
  expect(await running).toBe('done');
  expect(await share.use('a', async () => 'again')).toBe('again');
});

test('never more at once than the share, and all that is not refused is done in its order', async () => {
  const step = fc.record({
    asker: fc.constantFrom('a', 'b'),
    fails: fc.boolean(),
    rounds: fc.nat(3),
    leaves: fc.boolean(),
  });
  const property = fc.asyncProperty(
    fc.array(step, { maxLength: 30 }),
    fc.integer({ min: 1, max: 3 }),
    async (steps, atOnce) => {
      const share = createFairShare({ atOnce, waitingMax: 100, waitMsMax: 60_000 });
      const running = new Map<string, number>();
      const begun: number[] = [];
      const all = steps.map(({ asker, fails, rounds, leaves }, index) => {
        const gone = new AbortController();
        const asked = share.use(
          asker,
          async () => {
            begun.push(index);
            const now = (running.get(asker) ?? 0) + 1;
            expect(now).toBeLessThanOrEqual(atOnce);
            running.set(asker, now);
            for (let round = 0; round < rounds; round++) await Promise.resolve();
            running.set(asker, running.get(asker)! - 1);
            if (fails) throw new Error('failed');
          },
          gone.signal,
        );
        if (leaves) gone.abort(new Error('gone'));
        return asked;
      });
      const ends = await Promise.allSettled(all);
      for (const asker of ['a', 'b']) {
        const ofAsker = begun.filter((index) => steps[index]!.asker === asker);
        expect(ofAsker).toEqual(ofAsker.toSorted((x, y) => x - y));
      }
      for (const [index, end] of ends.entries()) {
        const reason = end.status === 'rejected' ? (end.reason as Error).message : '';
        expect(begun.includes(index)).toBe(reason !== 'gone');
      }
    },
  );
  await fc.assert(property);
});
