// What the workflow `webhook` has done: reading what is to be delivered, one attempt, its entry in the log.
//
// 1. An attempt whose process died before it was told is made again: a receiver has it at least once, always under the same `webhook-id`.
// 2. What a workflow begins again with is kept before it is given more, and before a replay is answered; it goes with the webhook.
// 3. What is sent is read from the history at each attempt; an event that has left it is told as `not_kept`.

import { Code, ConnectError } from '@connectrpc/connect';
import type { JetStreamClient } from '@nats-io/jetstream';
import type { KV } from '@nats-io/kv';
import { Context } from '@temporalio/activity';
import { toCursor } from '@worktrail/contract/cursor';
import { type PublicEvent, publicEvent } from '@worktrail/contract/event-json';
import * as contract from '@worktrail/contract/webhooks';
import type { MatchedEvent } from '@worktrail/proto/trace';
import { readDocument, replaceDocument } from '@worktrail/runtime/buckets';
import type { SecretBox } from '@worktrail/runtime/secret-box';
import type { TraceClient } from '@worktrail/runtime/trace-client';
import { positionMessage, webhookPosition } from '@worktrail/runtime/webhook-position';
import { Webhook } from 'standardwebhooks';
import { beating } from '../record-activities.ts';
import { logDelivery } from './delivery-log.ts';
import { keepState } from './kept-state.ts';
import { type PostDeps, type Posted, postWebhook } from './post-webhook.ts';
import { retryDelayMs } from './retry-plan.ts';
import type { AttemptInput, AttemptResult, WebhookActivities } from './workflow.ts';

const waitMs = 60_000;
const lookEveryMs = 500;
const fillMax = 2n ** 52n;

export interface WebhookDeps extends PostDeps {
  configuration: KV;
  trace: Pick<TraceClient, 'matchEvents' | 'listEvents'>;
  js: JetStreamClient;
  box: SecretBox;
  clock: () => number;
}

type Named = Pick<contract.WebhookSpec, 'organizationId' | 'webhookId'>;

export function createWebhookActivities(deps: WebhookDeps): WebhookActivities {
  const { configuration, trace, js, clock } = deps;
  const readWebhook = ({ organizationId, webhookId }: Named) =>
    readDocument<contract.WebhookDocument>(configuration, contract.webhookKey(organizationId, webhookId));
  /** Of one that is no more, what was kept goes too. */
  async function readLive(named: Named): Promise<contract.WebhookDocument | undefined> {
    const stored = await readWebhook(named);
    if (!stored) await configuration.delete(contract.webhookStateKey(named.organizationId, named.webhookId));
    return stored?.value;
  }
  return {
    keepWebhook: beating(async (state) => {
      if (await readLive(state)) await keepState(configuration, state);
    }),
    nextWebhookEvents: beating(async ({ max, ...state }) => {
      const { organizationId, webhookId } = state;
      let next = state.after;
      let isKept = false;
      for (const until = clock() + waitMs; ; ) {
        const webhook = await readLive({ organizationId, webhookId });
        if (!webhook) return { gone: true, events: [], next };
        if (!isKept) await keepState(configuration, state);
        isKept = true;
        if (webhook.enabled) {
          const found = await trace.matchEvents({
            ...{ organizationId, projectId: webhook.projectId ?? '', types: webhook.types, limit: max },
            after: next.map(positionMessage),
          });
          next = found.next.map(webhookPosition);
          if (found.events.length > 0) return { gone: false, events: found.events.map(placeOf), next };
        }
        if (clock() >= until) return { gone: false, events: [], next };
        await Context.current().sleep(lookEveryMs);
      }
    }),
    attemptDelivery: beating(async (input) => {
      const webhook = await readLive(input);
      if (!webhook) return { outcome: 'gone', retryAfterMs: 0 };
      if (!webhook.enabled) return { outcome: 'disabled', retryAfterMs: 0 };
      const event = await readEvent(trace, input);
      const startedMs = clock();
      const posted = event && (await post(deps, webhook, event, startedMs));
      const { result, last } = resultOf(input, posted);
      await logDelivery(js, input, {
        ...{ place: input.place, attempt: input.attempt, replay: input.replay },
        time: new Date(startedMs).toISOString(),
        durationMs: clock() - startedMs,
        outcome: posted ? (result.outcome === 'delivered' ? 'delivered' : 'failed') : 'not_kept',
        status: posted?.status ?? null,
        detail: posted?.detail ?? 'the event has left the history',
        last,
      });
      return result;
    }),
    disableWebhook: beating(async ({ organizationId, webhookId, reason }) => {
      for (;;) {
        const stored = await readWebhook({ organizationId, webhookId });
        if (!stored?.value.enabled) return;
        const disabled = { ...stored.value, enabled: false, disabledReason: reason };
        const key = contract.webhookKey(organizationId, webhookId);
        if ((await replaceDocument(configuration, key, disabled, stored.revision)) !== undefined) return;
      }
    }),
  };
}

function resultOf(input: AttemptInput, posted: Posted | undefined): { result: AttemptResult; last: boolean } {
  if (!posted) return { result: { outcome: 'dropped', retryAfterMs: 0 }, last: true };
  const { status, retryAfterMs } = posted;
  if (status !== null && status >= 200 && status < 300) {
    return { result: { outcome: 'delivered', retryAfterMs: 0 }, last: true };
  }
  const of = { eventId: input.place.eventId, retryAfterMs };
  const last = retryDelayMs(input.attempt, input.sinceMs, of) === undefined;
  return { result: { outcome: 'failed', retryAfterMs }, last };
}

async function post(
  deps: WebhookDeps,
  webhook: contract.WebhookDocument,
  event: PublicEvent,
  nowMs: number,
): Promise<Posted> {
  const secret = deps.box.open(webhook.sealedSecret, contract.webhookKey(webhook.organizationId, webhook.id));
  const payload = JSON.stringify({ type: event.type, timestamp: event.time, data: event });
  const time = new Date(nowMs);
  const headers = {
    'content-type': 'application/json',
    'user-agent': 'worktrail-webhooks',
    'webhook-id': event.id,
    'webhook-timestamp': String(Math.floor(nowMs / 1_000)),
    'webhook-signature': new Webhook(secret).sign(event.id, time, payload),
  };
  return await postWebhook(deps, webhook.url, headers, Buffer.from(payload));
}

/** Undefined: it is not kept any more. */
async function readEvent(
  trace: WebhookDeps['trace'],
  { organizationId, place }: AttemptInput,
): Promise<PublicEvent | undefined> {
  const { sessionId, partition, epoch, sequence, fill, eventId, type } = place;
  // Behind all that stands before it. Of the stream's own place everything before is below it, too.
  const after =
    fill > 0
      ? { epoch: BigInt(epoch), sequence: BigInt(sequence), fill: BigInt(fill - 1) }
      : { epoch: BigInt(epoch), sequence: BigInt(sequence - 1), fill: fillMax };
  try {
    const scope = { organizationId, sessionId, partition };
    const { events } = await trace.listEvents({ scope, after, limit: 1, types: [type], noBarrier: true });
    const { event, cursor } = events[0] ?? {};
    if (event?.id !== eventId || !cursor) return undefined;
    return publicEvent(event, toCursor(Number(cursor.epoch), Number(cursor.sequence), Number(cursor.fill)));
  } catch (error) {
    if (error instanceof ConnectError && error.code === Code.OutOfRange) return undefined;
    throw error;
  }
}

function placeOf({ scope, cursor, eventId, type }: MatchedEvent): contract.EventPlace {
  return {
    ...{ sessionId: scope?.sessionId ?? '', partition: scope?.partition ?? 0, eventId, type },
    ...{ epoch: Number(cursor?.epoch), sequence: Number(cursor?.sequence), fill: Number(cursor?.fill) },
  };
}
