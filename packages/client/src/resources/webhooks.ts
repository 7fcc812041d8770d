// Webhooks: events delivered to a URL, signed.

import type {
  CreateWebhook,
  NewWebhook,
  ReplayedDelivery,
  UpdateWebhook,
  Webhook,
  WebhookDelivery,
} from '../gen/api-schemas.ts';
import { allItems, type Page, type PageQuery } from '../pagination.ts';
import type { Transport } from '../transport.ts';
import { type CallOptions, pathOf } from './call.ts';

export function createWebhooks(transport: Transport) {
  const list = (query: PageQuery = {}, options?: CallOptions) =>
    transport.json<Page<Webhook>>('GET', '/v1/webhooks', { query: { ...query }, ...options });
  return {
    /** `secret` is shown this once. */
    create: (body: CreateWebhook, options?: CallOptions) =>
      transport.json<NewWebhook>('POST', '/v1/webhooks', { body, ...options }),
    list,
    all: (options?: CallOptions) => allItems((cursor) => list({ cursor }, options)),
    get: (webhookId: string, options?: CallOptions) =>
      transport.json<Webhook>('GET', pathOf`/v1/webhooks/${webhookId}`, options),
    update: (webhookId: string, body: UpdateWebhook, options?: CallOptions) =>
      transport.json<Webhook>('PATCH', pathOf`/v1/webhooks/${webhookId}`, { body, ...options }),
    delete: (webhookId: string, options?: CallOptions) =>
      transport.send('DELETE', pathOf`/v1/webhooks/${webhookId}`, options),
    /** Attempts, newest first: the last 1,000. */
    deliveries: (webhookId: string, query: PageQuery = {}, options?: CallOptions) =>
      transport.json<Page<WebhookDelivery>>('GET', pathOf`/v1/webhooks/${webhookId}/deliveries`, {
        query: { ...query },
        ...options,
      }),
    /** Delivers an event of the log again, under the same webhook-id. */
    replay: (webhookId: string, eventId: string, options?: CallOptions) =>
      transport.json<ReplayedDelivery>('POST', pathOf`/v1/webhooks/${webhookId}/replay`, {
        body: { eventId },
        ...options,
      }),
  };
}
