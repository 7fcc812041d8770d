// Waiting for what a session's workflow reports: that it is in the history, that it is ready or has failed.

import type { EventCase } from '@worktrail/contract/event-types';
import type { EventScope } from '@worktrail/contract/subjects';
import { sessionProducer } from '@worktrail/contract/subjects';
import type { LiveSubscription } from '../events/live-subscription.ts';
import type { StreamPosition } from '../events/stream-position.ts';

const checkIntervalMs = 2_000;

export const created: readonly EventCase[] = ['sessionCreated'];
export const settled: readonly EventCase[] = ['sessionReady', 'sessionFailed', 'sessionArchived'];

/**
 * Until one of these events comes by on the session's own subject, or the stream's last event there is one of them, or the time is
 * over. The subscription is made before the workflow is started.
 */
export async function waitForSession(
  subscription: LiveSubscription,
  position: Pick<StreamPosition, 'lastEvent'>,
  wait: { scope: EventScope; cases: readonly EventCase[]; timeoutMs: number; signal: AbortSignal },
): Promise<void> {
  const deadlineMs = Date.now() + wait.timeoutMs;
  const isAwaited = (name: EventCase | undefined) => name !== undefined && wait.cases.includes(name);
  let checkedMs = Date.now();
  while (!wait.signal.aborted) {
    for (let message = subscription.take(); message !== undefined; message = subscription.take()) {
      if (isAwaited(message.event.payload.case)) return;
    }
    const nowMs = Date.now();
    if (nowMs >= deadlineMs) return;
    if (!subscription.isWhole() || nowMs - checkedMs >= checkIntervalMs) {
      await subscription.renew().catch(() => undefined);
      const last = await position.lastEvent(wait.scope, sessionProducer).catch(() => undefined);
      if (isAwaited(last?.event.payload.case)) return;
      checkedMs = Date.now();
    }
    await subscription.more(Math.min(deadlineMs, checkedMs + checkIntervalMs) - Date.now(), wait.signal);
  }
}
