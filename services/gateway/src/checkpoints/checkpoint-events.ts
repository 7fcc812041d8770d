// Where a checkpoint stands in its session's history.
//
// 1. Its event is looked for as it passes, and in the history when it may have passed before: a checkpoint that was stored is found as
//    soon as its event is.
// 2. When it does not come in time that is said, as of a part that does not answer: asking again finds it.

import type { Cursor } from '@worktrail/contract/cursor';
import { unavailable } from '../deadline.ts';
import type { History, HistoryScope, PositionedEvent } from '../events/history.ts';
import type { LiveSubscription } from '../events/live-subscription.ts';
import type { StreamPosition } from '../events/stream-position.ts';

const recordedWaitMs = 5_000;
const lookMs = 1_000;
const pageMax = 200;
export const checkpointTypes = ['checkpoint.created'] as const;

export interface CheckpointEventDeps {
  history: History;
  position: Pick<StreamPosition, 'lastCursor'>;
}

/** `subscription`: of the session's own subject, made before the checkpoint was asked for. @throws dependency_unavailable */
export async function recordedCheckpoint(
  deps: CheckpointEventDeps,
  subscription: LiveSubscription,
  what: { scope: HistoryScope; checkpointId: string; after: Cursor | undefined; signal: AbortSignal },
): Promise<PositionedEvent> {
  const deadlineMs = Date.now() + recordedWaitMs;
  let lookAtMs = Date.now() + lookMs;
  for (;;) {
    const passed = takeCheckpoint(subscription, what.checkpointId);
    if (passed) {
      const { epoch } = await deps.position.lastCursor(what.scope);
      return { event: passed.event, cursor: { epoch, sequence: passed.sequence } };
    }
    if (!subscription.isWhole() || Date.now() >= lookAtMs) {
      await subscription.renew().catch(() => undefined);
      const found = await findCheckpoint(deps.history, what.scope, what.checkpointId, what.after).catch(
        () => undefined,
      );
      if (found) return found;
      lookAtMs = Date.now() + lookMs;
    }
    const nowMs = Date.now();
    if (nowMs >= deadlineMs || what.signal.aborted) {
      throw unavailable('orchestrator', `${what.checkpointId} is stored, but its event is not yet in the history`);
    }
    await subscription.more(Math.max(1, Math.min(lookAtMs, deadlineMs) - nowMs), what.signal);
  }
}

function takeCheckpoint(subscription: LiveSubscription, checkpointId: string) {
  for (let message = subscription.take(); message !== undefined; message = subscription.take()) {
    const { payload } = message.event;
    if (payload.case === 'checkpointCreated' && payload.value.checkpointId === checkpointId) return message;
  }
  return undefined;
}

/** In all of the history after a position. */
export async function findCheckpoint(
  history: History,
  scope: HistoryScope,
  checkpointId: string,
  after: Cursor | undefined,
): Promise<PositionedEvent | undefined> {
  for (let from = after; ; ) {
    const page = await history.page(scope, { after: from, limit: pageMax, types: checkpointTypes });
    for (const found of page.events) {
      const { payload } = found.event;
      if (payload.case === 'checkpointCreated' && payload.value.checkpointId === checkpointId) return found;
    }
    if (page.complete) return undefined;
    from = page.next;
  }
}
