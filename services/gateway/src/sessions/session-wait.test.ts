import { expect, test } from 'vitest';
import type { LiveSubscription } from '../events/live-subscription.ts';
import { settled, waitForSession } from './session-wait.ts';

/** That lost what passed, and hears nothing afterwards. */
function interrupted(): LiveSubscription {
  let whole = false;
  return {
    isWhole: () => whole,
    renew: async () => {
      whole = true;
    },
    take: () => undefined,
    more: (timeoutMs) => new Promise((resolve) => setTimeout(resolve, timeoutMs)),
    close: () => {},
  };
}

const { signal } = new AbortController();

test('what was missed while the connection was interrupted is noticed by what is so, at once', async () => {
  const isSo = async () => true;
  const wait = waitForSession(interrupted(), { cases: settled, isSo, timeoutMs: 60_000, signal });
  await expect(Promise.race([wait.then(() => 'answered'), lateAnswer(1_000)])).resolves.toBe('answered');
});

test('where it cannot be asked the wait ends with its time', async () => {
  const isSo = () => Promise.reject(new Error('away'));
  await waitForSession(interrupted(), { cases: settled, isSo, timeoutMs: 50, signal });
});

async function lateAnswer(timeoutMs: number): Promise<string> {
  await new Promise((resolve) => setTimeout(resolve, timeoutMs).unref());
  return 'late';
}
