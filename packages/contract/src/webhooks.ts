// Webhooks: their documents, the workflow `webhook` that serves each, and the log of its attempts.
//
// The document is the gateway's, and read anew at each step. How far it has come is the workflow's, which keeps it beside the document each time
// before it asks for more, and before it answers a replay: one that was lost is begun again from there, and delivers at most what was under
// way a second time.

import type { EventType } from './event-types.ts';
import { eventTypes } from './event-types.ts';

export interface WebhookDocument {
  id: string;
  organizationId: string;
  url: string;
  types: EventType[];
  /** null: of all projects. */
  projectId: string | null;
  description: string;
  enabled: boolean;
  /** Why it was disabled, where nobody did it. */
  disabledReason: string | null;
  /** `whsec_…`, sealed for the document's key. */
  sealedSecret: string;
  createdAt: string;
  updatedAt: string;
}

/** In the configuration bucket. */
export function webhookKey(organizationId: string, webhookId: string): string {
  return `webhook.${organizationId}.${webhookId}`;
}

/** Each is a workflow's work: output and deltas come by the thousand, and are read from the history. */
const notDelivered: readonly EventType[] = ['command.output', 'message.agent_delta', 'reasoning.delta'];
export const deliveredTypes: readonly EventType[] = eventTypes.filter((type) => !notDelivered.includes(type));

/** Where the WebhookSpec is kept from which the workflow begins again, in the configuration bucket. */
export function webhookStateKey(organizationId: string, webhookId: string): string {
  return `webhook-state.${organizationId}.${webhookId}`;
}

export const webhookWorkflow = 'webhook';
export function webhookWorkflowId(webhookId: string): string {
  return `webhook:${webhookId}`;
}

/** How far a webhook has come in a partition. */
export interface WebhookPosition {
  partition: number;
  epoch: number;
  sequence: number;
  fill: number;
  /** When that was the newest of all, ms since 1970. */
  timeMs: number;
}

/** Where an event stands. */
export interface EventPlace {
  sessionId: string;
  partition: number;
  epoch: number;
  sequence: number;
  fill: number;
  eventId: string;
  type: string;
}

/** One event that is under way to a receiver. */
export interface WebhookDelivery {
  place: EventPlace;
  replay: boolean;
  /** Made already. */
  attempts: number;
  /** Of the first attempt; null before it. */
  firstMs: number | null;
  dueMs: number;
}

export interface WebhookSpec {
  organizationId: string;
  webhookId: string;
  /** Events before it are not delivered, but for those under way. */
  after: WebhookPosition[];
  pending?: WebhookDelivery[];
  lastSuccessMs?: number;
  /** So many replays it was asked for; of two states that with fewer is the older one. */
  replays?: number;
}

/** Update of the workflow → true, with an EventPlace: delivers it (again). @throws rate_limited where too many wait. */
export const replayDelivery = 'replayDelivery';
export const replaysWaitingMax = 100;

/** Update of the workflow → true: what waits is tried at once. */
export const webhookChanged = 'webhookChanged';

export const deliveryStream = 'worktrail-deliveries';
export const deliverySubjects = 'worktrail.deliveries.>';
export function deliverySubject(organizationId: string, webhookId: string): string {
  return `worktrail.deliveries.${organizationId}.${webhookId}`;
}
/** The log of a webhook keeps so many attempts, for so long. */
export const deliveriesKeptMax = 1_000;
export const deliveriesKeptMs = 30 * 24 * 3_600_000;

/** One attempt. */
export interface DeliveryRecord {
  place: EventPlace;
  /** From 1; a replay begins anew. */
  attempt: number;
  replay: boolean;
  time: string;
  durationMs: number;
  outcome: DeliveryOutcome;
  /** Of the answer; null: there was none. */
  status: number | null;
  /** What was wrong; the begin of the answer's body where it was refused. */
  detail: string;
  /** No other attempt follows. */
  last: boolean;
}

/** `not_kept`: the event has left the history before it could be delivered. */
export type DeliveryOutcome = 'delivered' | 'failed' | 'not_kept';
