// The JSON of webhooks and of attempts to deliver.

import { z } from '@hono/zod-openapi';
import type { EventType } from '@worktrail/contract/event-types';
import { deliveredTypes, type WebhookDocument } from '@worktrail/contract/webhooks';
import { id, text, time } from '../text.ts';

const urlLengthMax = 2_000;

const url = z
  .string()
  .max(urlLengthMax)
  .refine((value) => /^https?:$/.test(URL.parse(value)?.protocol ?? ''), 'must be an http or https URL')
  .refine((value) => (URL.parse(value)?.username ?? '') === '', 'must not have a user name or password')
  .openapi({ description: 'Reached by https; by http only what the operator has allowed of private networks.' });
const types = z
  .array(z.enum(deliveredTypes as [EventType, ...EventType[]]))
  .min(1)
  .refine((list) => new Set(list).size === list.length, 'names a type twice')
  .openapi({ description: 'Which events. Output and deltas are not delivered, they are read from the history.' });
const description = text(1_000);

export const createWebhookSchema = z
  .strictObject({ url, types, projectId: id('project').optional(), description: description.default('') })
  .openapi('CreateWebhook');

export const updateWebhookSchema = z
  .strictObject({
    url: url.optional(),
    types: types.optional(),
    description: description.optional(),
    enabled: z.boolean().optional().openapi({ description: 'Enabled again, it goes on where it was.' }),
  })
  .openapi('UpdateWebhook');

export const webhookSchema = z
  .object({
    id: id('webhook'),
    url: z.string(),
    types: z.array(z.string()),
    projectId: id('project').nullable().openapi({ description: 'null: of all projects.' }),
    description: z.string(),
    enabled: z.boolean(),
    disabledReason: z.string().nullable().openapi({ description: 'Why it was disabled, where nobody did it.' }),
    createdAt: time,
    updatedAt: time,
  })
  .openapi('Webhook');

export const newWebhookSchema = webhookSchema
  .extend({
    secret: z.string().openapi({ description: 'whsec_…: what deliveries are signed with. It is shown this once.' }),
  })
  .openapi('NewWebhook');

export const deliverySchema = z
  .object({
    eventId: id('event').openapi({ description: 'The `webhook-id` of every attempt to deliver this event.' }),
    sessionId: id('session'),
    type: z.string(),
    attempt: z.int(),
    replay: z.boolean(),
    time,
    durationMs: z.int(),
    outcome: z.enum(['delivered', 'failed', 'not_kept']),
    status: z.int().nullable().openapi({ description: 'Of the answer; null: there was none.' }),
    detail: z.string(),
    last: z.boolean().openapi({ description: 'No other attempt follows.' }),
  })
  .openapi('WebhookDelivery');

export const replaySchema = z.strictObject({ eventId: id('event') }).openapi('ReplayDelivery');

export const replayedSchema = z.object({ eventId: id('event') }).openapi('ReplayedDelivery');

export function webhookJson(document: WebhookDocument) {
  const { organizationId: _, sealedSecret: __, ...shown } = document;
  return shown;
}
