// The workflow `webhook`, one for each: it takes what is stored of the types it was made for, and delivers it.
//
// 1. How far it has come and what is not delivered yet is its state: an event that it has taken is delivered, or the log says why not.
// 2. At most `windowMax` events, and `replaysWaitingMax` replays, are under way; what is behind them waits in the history. So a receiver that
//    hangs, fails or is gone costs so many requests in a half hour, and nothing of it is lost.
// 3. One that took nothing for three days is disabled with the reason; enabled again, it goes on where it was.
// 4. Its document is read anew at each step: a webhook that was deleted ends by itself.
// 5. Its state is what it is begun with, and kept outside each time before it asks for more, and before it answers that it will replay: a
//    workflow that was lost is begun again from there by the reconciliation, and delivers at most what was under way a second time.

import {
  allHandlersFinished,
  ApplicationFailure,
  condition,
  continueAsNew,
  defineUpdate,
  proxyActivities,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import * as messages from '@worktrail/contract/webhooks';
import type { EventPlace, WebhookDelivery, WebhookPosition, WebhookSpec } from '@worktrail/contract/webhooks';
import { retryDelayMs } from './retry-plan.ts';

const windowMax = 32;
const historyEventsMax = 2_000;
/** What is to be delivered of one that is disabled looks so often whether it still is; who enables it says so. */
const heldMs = 3_600_000;

export interface NextEvents {
  /** The webhook is there no more. */
  gone: boolean;
  events: EventPlace[];
  next: WebhookPosition[];
}

export interface AttemptInput {
  organizationId: string;
  webhookId: string;
  place: EventPlace;
  attempt: number;
  replay: boolean;
  /** Since the first attempt. */
  sinceMs: number;
}

export interface AttemptResult {
  outcome: 'delivered' | 'failed' | 'dropped' | 'disabled' | 'gone';
  retryAfterMs: number;
}

export interface WebhookActivities {
  /** Keeps the state, then waits for some, up to a minute. */
  nextWebhookEvents(input: WebhookSpec & { max: number }): Promise<NextEvents>;
  keepWebhook(state: WebhookSpec): Promise<void>;
  /** Tells in the log what came of it. */
  attemptDelivery(input: AttemptInput): Promise<AttemptResult>;
  disableWebhook(input: { organizationId: string; webhookId: string; reason: string }): Promise<void>;
}

const replay = defineUpdate<true, [EventPlace]>(messages.replayDelivery);
const changed = defineUpdate<true>(messages.webhookChanged);

const { nextWebhookEvents, keepWebhook, attemptDelivery, disableWebhook } = proxyActivities<WebhookActivities>({
  startToCloseTimeout: '2 minutes',
  heartbeatTimeout: '10 seconds',
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '1 minute' },
});

export async function webhook(spec: WebhookSpec): Promise<void> {
  const { organizationId, webhookId } = spec;
  const pending = [...(spec.pending ?? [])];
  let { after, lastSuccessMs = 0, replays = 0 } = spec;
  let gone = false;
  let leaving = false;
  const running = new Set<WebhookDelivery>();
  const state = (): WebhookSpec => ({ organizationId, webhookId, after, pending, lastSuccessMs, replays });

  const checkRoom: (place: EventPlace) => void = () => {
    if (pending.filter((one) => one.replay).length < messages.replaysWaitingMax) return;
    throw ApplicationFailure.nonRetryable('too many replays of this webhook wait already', 'rate_limited');
  };
  const replayed = async (place: EventPlace): Promise<true> => {
    replays += 1;
    add(place, true);
    await keepWebhook(state());
    return true;
  };
  setHandler(replay, replayed, { validator: checkRoom });

  setHandler(changed, (): true => {
    for (const delivery of pending) delivery.dueMs = Math.min(delivery.dueMs, Date.now());
    return true;
  });

  function add(place: EventPlace, isReplay: boolean): void {
    const delivery: WebhookDelivery = { place, replay: isReplay, attempts: 0, firstMs: null, dueMs: Date.now() };
    pending.push(delivery);
    void run(delivery);
  }

  async function run(delivery: WebhookDelivery): Promise<void> {
    running.add(delivery);
    while (!gone && !leaving) {
      const isDue = () => delivery.dueMs <= Date.now();
      if (!isDue()) await condition(() => gone || leaving || isDue(), delivery.dueMs - Date.now());
      if (gone || leaving) break;
      if (await isOver(delivery)) {
        pending.splice(pending.indexOf(delivery), 1);
        break;
      }
    }
    running.delete(delivery);
  }

  async function isOver(delivery: WebhookDelivery): Promise<boolean> {
    const { place } = delivery;
    const firstMs = (delivery.firstMs ??= Date.now());
    const sinceMs = Date.now() - firstMs;
    const attempt = delivery.attempts + 1;
    const of = { organizationId, webhookId, place, attempt, replay: delivery.replay, sinceMs };
    const { outcome, retryAfterMs } = await attemptDelivery(of);
    if (outcome === 'gone') gone = true;
    if (outcome === 'disabled') delivery.dueMs = Date.now() + heldMs;
    if (outcome === 'delivered') lastSuccessMs = Date.now();
    if (outcome !== 'failed') return outcome === 'delivered' || outcome === 'dropped';
    delivery.attempts = attempt;
    const delayMs = retryDelayMs(attempt, sinceMs, { eventId: place.eventId, retryAfterMs });
    if (delayMs !== undefined) {
      delivery.dueMs = Date.now() + delayMs;
      return false;
    }
    if (lastSuccessMs >= firstMs) return true;
    await disableWebhook({ organizationId, webhookId, reason: 'nothing was delivered for three days' });
    Object.assign(delivery, { attempts: 0, firstMs: null, dueMs: Date.now() + heldMs });
    return false;
  }

  for (const delivery of pending) void run(delivery);
  const hasRoom = () => pending.filter((one) => !one.replay).length < windowMax;
  const mustLeave = () => workflowInfo().historyLength > historyEventsMax || workflowInfo().continueAsNewSuggested;
  for (;;) {
    await condition(() => gone || mustLeave() || hasRoom());
    if (gone || mustLeave()) break;
    const max = windowMax - pending.filter((one) => !one.replay).length;
    const found = await nextWebhookEvents({ ...state(), max });
    if (found.gone) {
      gone = true;
      break;
    }
    after = found.next;
    for (const place of found.events) add(place, false);
  }
  leaving = true;
  await condition(() => running.size === 0 && allHandlersFinished());
  if (!gone) await continueAsNew<typeof webhook>(state());
}
