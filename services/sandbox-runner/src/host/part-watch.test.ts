import { expect, test } from 'vitest';
import { startPartWatch } from './part-watch.ts';

test('it tells each loss and each return of the engine once, with the last reason', async () => {
  const answers = ['ok', 'refused', 'hangs', 'ok', 'ok', 'refused'];
  const lifetime = new AbortController();
  const asked = Promise.withResolvers<void>();
  const ping = async () => {
    const answer = answers.shift();
    if (answers.length === 0) asked.resolve();
    if (answer !== 'ok') throw new Error(answer);
  };
  const watch = startPartWatch(ping, lifetime.signal, 1);
  const told: (string | null)[] = [];
  watch.onChange(() => told.push(watch.failure()));
  await asked.promise;
  await expect.poll(() => told).toEqual(['refused', null, 'refused']);
  lifetime.abort();
});

test('what needs the engine waits until it answers, or until it need not any more', async () => {
  const lifetime = new AbortController();
  let answers = false;
  const ping = () => (answers ? Promise.resolve() : Promise.reject(new Error('refused')));
  const watch = startPartWatch(ping, lifetime.signal, 1);
  await expect.poll(() => watch.failure()).toBe('refused');
  const canceled = new AbortController();
  const waits = [watch.whenWell(lifetime.signal), watch.whenWell(canceled.signal)];
  canceled.abort(new Error('canceled'));
  await expect(waits[1]).rejects.toThrow('canceled');
  answers = true;
  await waits[0];
  lifetime.abort();
});
