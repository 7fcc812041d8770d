// Waiting for a command's end.
//
// 1. The events of the command are taken as they pass on NATS. What may have been missed (an interruption, a full buffer, a hole) is
//    settled by the last event of the command in the stream, and where the stream holds none, by the trace-store.
// 2. The same is asked every 2 s while nothing comes.
// 3. It ends with the command, with the time, or when the client goes.

import { type EventScope } from '@worktrail/contract/subjects';
import { limits } from '@worktrail/contract/limits';
import type { CommandRecord } from '@worktrail/proto/trace';
import type { LiveSubscription } from '../events/live-subscription.ts';
import type { StreamPosition } from '../events/stream-position.ts';
import { applyEvent, type CommandProgress, createProgress } from './command-progress.ts';

const checkIntervalMs = 2_000;

export interface CommandWait {
  scope: EventScope;
  commandId: string;
  timeoutMs: number;
  /** The command may have begun before the subscription: ask at once. */
  mayHaveBegun: boolean;
  signal: AbortSignal;
}

export interface WaitDeps {
  position: Pick<StreamPosition, 'lastEvent'>;
  /** The trace-store's record. */
  find(scope: EventScope, commandId: string): Promise<CommandRecord | undefined>;
}

export async function waitForCommand(
  deps: WaitDeps,
  subscription: LiveSubscription,
  wait: CommandWait,
): Promise<CommandProgress> {
  const progress = createProgress(limits.outputTailBytes);
  const deadlineMs = Date.now() + wait.timeoutMs;
  let checkedMs = wait.mayHaveBegun ? 0 : Date.now();
  while (progress.end === undefined && !wait.signal.aborted) {
    takeAll(subscription, progress);
    if (progress.end !== undefined || Date.now() >= deadlineMs) break;
    if (!subscription.isWhole() || Date.now() - checkedMs >= checkIntervalMs) {
      await check(deps, subscription, wait, progress);
      checkedMs = Date.now();
      continue;
    }
    const untilMs = Math.min(deadlineMs, checkedMs + checkIntervalMs);
    await subscription.more(untilMs - Date.now(), wait.signal);
  }
  return progress;
}

function takeAll(subscription: LiveSubscription, progress: CommandProgress): void {
  for (let message = subscription.take(); message !== undefined; message = subscription.take()) {
    applyEvent(progress, message.event);
  }
}

/** While a part does not answer nothing is known: the next check asks again. */
async function check(
  deps: WaitDeps,
  subscription: LiveSubscription,
  wait: CommandWait,
  progress: CommandProgress,
): Promise<void> {
  try {
    if (!subscription.isWhole()) {
      progress.isWhole = false;
      await subscription.renew();
    }
    const last = await deps.position.lastEvent(wait.scope, wait.commandId);
    takeAll(subscription, progress);
    if (last) return applyEvent(progress, last.event);
    const record = await deps.find(wait.scope, wait.commandId);
    if (!record?.ended) return;
    progress.isWhole = false;
    progress.end = { ended: record.ended, seenAt: record.endedAt };
  } catch {
    progress.isWhole = false;
  }
}
