// Waiting for a command's end.
//
// 1. The events of the command are taken as they pass on NATS. What may have been missed (an interruption, a full buffer, a hole) is
//    settled by the last event of the command in the stream, and where the stream holds none, by the trace-store.
// 2. The same is asked every 2 s while nothing comes.
// 3. It ends with the command, with the time, or when the client goes.
// 4. Of much output only the tail is wanted: beyond a bound it is not listened to any more. Then the stream is asked for the command's
//    last event whenever the session's workflow issues one, as it does when a command has ended, and a few times a second.

import { type EventScope } from '@worktrail/contract/subjects';
import { limits } from '@worktrail/contract/limits';
import type { CommandRecord } from '@worktrail/proto/trace';
import type { LiveSubscription } from '../events/live-subscription.ts';
import type { StoredEvent, StreamPosition } from '../events/stream-position.ts';
import { applyEvent, type CommandProgress, createProgress } from './command-progress.ts';
import { tailBefore } from './ended-tail.ts';

const checkIntervalMs = 2_000;
const quietCheckIntervalMs = 500;
const listenedBytesMax = 1024 * 1024;

export interface CommandWait {
  scope: EventScope;
  commandId: string;
  timeoutMs: number;
  /** The command may have begun before the subscription: ask at once. */
  mayHaveBegun: boolean;
  signal: AbortSignal;
}

export interface WaitDeps {
  position: Pick<StreamPosition, 'lastEvent' | 'eventAt'>;
  /** Of the session's own events. */
  listenToSession(scope: EventScope): LiveSubscription;
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
    if (progress.stdoutBytes + progress.stderrBytes > listenedBytesMax) {
      subscription.close();
      await waitQuietly(deps, wait, progress, deadlineMs);
      break;
    }
    if (!subscription.isWhole() || Date.now() - checkedMs >= checkIntervalMs) {
      await check(deps, subscription, wait, progress, () => takeAll(subscription, progress));
      checkedMs = Date.now();
      continue;
    }
    const untilMs = Math.min(deadlineMs, checkedMs + checkIntervalMs);
    await subscription.more(untilMs - Date.now(), wait.signal);
  }
  return progress;
}

async function waitQuietly(
  deps: WaitDeps,
  wait: CommandWait,
  progress: CommandProgress,
  deadlineMs: number,
): Promise<void> {
  const subscription = deps.listenToSession(wait.scope);
  progress.isWhole = false;
  try {
    await subscription.renew().catch(() => {});
    while (progress.end === undefined && !wait.signal.aborted) {
      while (subscription.take());
      await check(deps, subscription, wait, progress, () => {});
      const leftMs = deadlineMs - Date.now();
      if (progress.end !== undefined || leftMs <= 0) break;
      await subscription.more(Math.min(leftMs, quietCheckIntervalMs), wait.signal);
    }
  } finally {
    subscription.close();
  }
}

function takeAll(subscription: LiveSubscription, progress: CommandProgress): void {
  for (let message = subscription.take(); message !== undefined; message = subscription.take()) {
    applyEvent(progress, message.event);
  }
}

/** While a part does not answer nothing is known: the next check asks again. `take`: what passed meanwhile, before what was asked. */
async function check(
  deps: WaitDeps,
  subscription: LiveSubscription,
  wait: CommandWait,
  progress: CommandProgress,
  take: () => void,
): Promise<void> {
  try {
    if (!subscription.isWhole()) {
      progress.isWhole = false;
      await subscription.renew();
    }
    const last = await deps.position.lastEvent(wait.scope, wait.commandId);
    take();
    if (last) {
      applyEvent(progress, last.event);
      if (progress.end && !progress.isWhole) await takeTail(deps, wait.scope, last, progress);
      return;
    }
    const record = await deps.find(wait.scope, wait.commandId);
    if (!record?.ended) return;
    progress.isWhole = false;
    progress.end = { ended: record.ended, seenAt: record.endedAt };
  } catch {
    progress.isWhole = false;
  }
}

async function takeTail(
  { position }: WaitDeps,
  scope: EventScope,
  end: StoredEvent,
  progress: CommandProgress,
): Promise<void> {
  const tail = await tailBefore(position, scope, end, limits.outputTailBytes);
  if (!tail) return;
  progress.tail = tail;
  progress.isWhole = true;
}
