// Waiting for what a session's workflow reports: that it is in the history, that it is ready or has failed.

import type { EventCase } from '@worktrail/contract/event-types';
import type { LiveSubscription } from '../events/live-subscription.ts';

const checkIntervalMs = 2_000;

export const created: readonly EventCase[] = ['sessionCreated'];
export const settled: readonly EventCase[] = ['sessionReady', 'sessionFailed', 'sessionArchived'];

export interface SessionWait {
  cases: readonly EventCase[];
  /**
   * Whether what these events tell is so already. Asked every 2 s and when an event may have been missed: the session's last event does
   * not tell, for others follow it.
   */
  isSo: () => Promise<boolean>;
  timeoutMs: number;
  signal: AbortSignal;
}

/**
 * Until one of these events comes by on the session's own subject, or it is so, or the time is over. The subscription is made before
 * the workflow is started.
 */
export async function waitForSession(subscription: LiveSubscription, wait: SessionWait): Promise<void> {
  const deadlineMs = Date.now() + wait.timeoutMs;
  let checkedMs = Date.now();
  while (!wait.signal.aborted) {
    for (let message = subscription.take(); message !== undefined; message = subscription.take()) {
      const { payload } = message.event;
      if (payload.case !== undefined && wait.cases.includes(payload.case)) return;
    }
    const nowMs = Date.now();
    if (nowMs >= deadlineMs) return;
    if (!subscription.isWhole() || nowMs - checkedMs >= checkIntervalMs) {
      await subscription.renew().catch(() => undefined);
      if (await wait.isSo().catch(() => false)) return;
      checkedMs = Date.now();
    }
    await subscription.more(Math.min(deadlineMs, checkedMs + checkIntervalMs) - Date.now(), wait.signal);
  }
}
