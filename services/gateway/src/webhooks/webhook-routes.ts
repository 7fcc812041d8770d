// Webhooks of an organization: made with their secret shown once, changed, deleted; what was tried to be delivered, and delivered again.
//
// A webhook begins at the events that are stored after it was made: that is kept first, then its document, then the workflow that serves it
// is started, by the request that makes it or by a repetition of it. One that is missing is started again from what it has kept, by the
// orchestrators' reconciliation or by the next change of the webhook or replay.

import { z } from '@hono/zod-openapi';
import * as contract from '@worktrail/contract/webhooks';
import type { WebhookDocument, WebhookPosition, WebhookSpec } from '@worktrail/contract/webhooks';
import { createAddressJudge, canonicalHost, plainAddress } from '@worktrail/runtime/addresses';
import type { OperatorConfig } from '@worktrail/runtime/operator-config';
import type { SecretBox } from '@worktrail/runtime/secret-box';
import type { TraceClient } from '@worktrail/runtime/trace-client';
import { webhookPosition } from '@worktrail/runtime/webhook-position';
import type { Audit } from '../audit.ts';
import type { Principal } from '../authorize.ts';
import { webhookList } from '../configuration-keys.ts';
import type { ConfigurationStore } from '../configuration-store.ts';
import type { Draw } from '../draw.ts';
import type { Api } from '../http/api.ts';
import { etag, json, noContent } from '../http/reply.ts';
import { cursorId, pageOf, pageQuery } from '../pagination.ts';
import { invalid, notFound, Problem } from '../problem.ts';
import type { ProjectReader } from '../projects/project-reader.ts';
import { id } from '../text.ts';
import { askTraceStore } from '../trace-store.ts';
import type { WorkflowClient } from '../workflow-client.ts';
import type { DeliveryLog } from './delivery-log.ts';
import {
  createWebhookSchema,
  deliverySchema,
  newWebhookSchema,
  replayedSchema,
  replaySchema,
  updateWebhookSchema,
  webhookJson,
  webhookSchema,
} from './schemas.ts';

const tag = 'Webhooks';
const one = '/v1/webhooks/{webhookId}';
const params = z.object({ webhookId: id('webhook') });
const secretBytes = 24;

export interface WebhookRouteDeps {
  store: ConfigurationStore;
  projects: ProjectReader;
  log: DeliveryLog;
  trace: Pick<TraceClient, 'matchEvents'>;
  workflows: WorkflowClient;
  audit: Audit;
  box: SecretBox;
  operator: Pick<OperatorConfig, 'webhooks'>;
}

export function addWebhookRoutes(api: Api, deps: WebhookRouteDeps): void {
  addMaking(api, deps);
  addReading(api, deps);
  addChanging(api, deps);
  addDeliveries(api, deps);
}

function addMaking(api: Api, deps: WebhookRouteDeps): void {
  const { store, projects, audit, box, operator } = deps;
  api.route(
    {
      method: 'post',
      path: '/v1/webhooks',
      tag,
      summary: 'Have events delivered to a URL, signed as Standard Webhooks has it',
      action: 'webhook.write',
      body: createWebhookSchema,
      answers: { 201: { description: 'Made; its secret is shown this once', schema: newWebhookSchema } },
    },
    async (request) => {
      const { body, draw, principal } = request;
      const { organizationId } = principal;
      checkReachable(operator, body.url);
      if (body.projectId !== undefined) await projects.open(principal, body.projectId, 'webhook.write');
      const webhookId = draw.id('webhook');
      const others = (await store.names(webhookList(organizationId))).filter((name) => name !== webhookId);
      if (others.length >= operator.webhooks.perOrganizationMax) {
        const detail = `webhooks: the organization has its maximum of ${operator.webhooks.perOrganizationMax}`;
        throw new Problem('rate_limited', detail);
      }
      const spec = await keptState(deps, organizationId, webhookId);
      const secret = newSecret(draw, webhookId);
      const now = new Date(draw.timeMs).toISOString();
      const key = contract.webhookKey(organizationId, webhookId);
      const stored = await store.create<WebhookDocument>(key, {
        ...{ id: webhookId, organizationId, url: body.url, types: body.types, description: body.description },
        ...{ projectId: body.projectId ?? null, enabled: true, disabledReason: null },
        ...{ sealedSecret: box.seal(secret, key), createdAt: now, updatedAt: now },
      });
      await begin(deps, spec);
      const { url, types, projectId } = stored.value;
      const detail = { url, types, projectId };
      await audit.record(request, { organizationId, action: 'webhook.created', resourceId: webhookId, detail });
      return json(201, { ...webhookJson(stored.value), secret }, { etag: etag(stored.revision) });
    },
  );
}

function addReading(api: Api, { store }: WebhookRouteDeps): void {
  api.route(
    {
      method: 'get',
      path: '/v1/webhooks',
      tag,
      summary: 'The webhooks of the organization, newest first, without their secrets',
      action: 'webhook.read',
      query: z.object(pageQuery),
      answers: { 200: { description: 'A page', schema: pageOf(webhookSchema) } },
    },
    async ({ principal: { organizationId }, query }) => {
      const after = cursorId(query.cursor, 'webhook');
      const keyOf = (webhookId: string) => contract.webhookKey(organizationId, webhookId);
      const options = { limit: query.limit, after };
      const page = await store.page<WebhookDocument>(webhookList(organizationId), keyOf, options);
      return json(200, { ...page, items: page.items.map(({ value }) => webhookJson(value)) });
    },
  );
  api.route(
    {
      method: 'get',
      path: one,
      tag,
      summary: 'A webhook',
      action: 'webhook.read',
      params,
      answers: { 200: { description: 'The webhook', schema: webhookSchema } },
    },
    async ({ principal, params: { webhookId } }) => {
      const stored = await open(store, principal, webhookId);
      return json(200, webhookJson(stored.value), { etag: etag(stored.revision) });
    },
  );
}

function addChanging(api: Api, deps: WebhookRouteDeps): void {
  const { store, workflows, audit, operator } = deps;
  api.route(
    {
      method: 'patch',
      path: one,
      tag,
      summary: 'Change, disable or enable a webhook; what waits is tried at once',
      action: 'webhook.write',
      params,
      body: updateWebhookSchema,
      answers: { 200: { description: 'Changed', schema: webhookSchema } },
    },
    async (request) => {
      const { body, draw, headers, principal } = request;
      const { organizationId } = principal;
      const { webhookId } = request.params;
      if (body.url !== undefined) checkReachable(operator, body.url);
      await open(store, principal, webhookId);
      const key = contract.webhookKey(organizationId, webhookId);
      const stored = await store.change<WebhookDocument>(key, headers.get('if-match'), (webhook) => {
        const { url = webhook.url, types = webhook.types, description = webhook.description } = body;
        const { enabled = webhook.enabled } = body;
        const disabledReason = body.enabled === undefined ? webhook.disabledReason : null;
        const updatedAt = new Date(draw.timeMs).toISOString();
        return { ...webhook, url, types, description, enabled, disabledReason, updatedAt };
      });
      const told = await workflows.update<true>(contract.webhookWorkflowId(webhookId), contract.webhookChanged, []);
      if (told === undefined) await begin(deps, await keptState(deps, organizationId, webhookId));
      await audit.record(request, { organizationId, action: 'webhook.updated', resourceId: webhookId, detail: body });
      return json(200, webhookJson(stored.value), { etag: etag(stored.revision) });
    },
  );
  api.route(
    {
      method: 'delete',
      path: one,
      tag,
      summary: 'Delete a webhook: nothing more is delivered',
      action: 'webhook.write',
      params,
      answers: { 204: { description: 'Deleted' } },
    },
    async (request) => {
      const { organizationId } = request.principal;
      const { webhookId } = request.params;
      await open(store, request.principal, webhookId);
      await store.remove(contract.webhookKey(organizationId, webhookId));
      await store.remove(contract.webhookStateKey(organizationId, webhookId));
      await audit.record(request, { organizationId, action: 'webhook.deleted', resourceId: webhookId, detail: {} });
      return noContent;
    },
  );
}

function addDeliveries(api: Api, deps: WebhookRouteDeps): void {
  const { store, log, workflows } = deps;
  api.route(
    {
      method: 'get',
      path: `${one}/deliveries`,
      tag,
      summary: 'Attempts to deliver, newest first: the last 1,000 of the last 30 days',
      action: 'webhook.read',
      params,
      query: z.object(pageQuery),
      answers: { 200: { description: 'A page', schema: pageOf(deliverySchema) } },
    },
    async ({ principal, params: { webhookId }, query }) => {
      await open(store, principal, webhookId);
      const of = { organizationId: principal.organizationId, webhookId };
      const { records, next } = await log.page(of, { limit: query.limit, before: placeInLog(query.cursor) });
      const items = records.map(({ place: { sessionId, eventId, type }, ...attempt }) => ({
        ...{ eventId, sessionId, type },
        ...attempt,
      }));
      return json(200, { items, nextCursor: next === null ? null : String(next) });
    },
  );
  api.route(
    {
      method: 'post',
      path: `${one}/replay`,
      tag,
      summary: 'Deliver an event of the log again, under the same webhook-id',
      action: 'webhook.write',
      params,
      body: replaySchema,
      answers: { 202: { description: 'It will be', schema: replayedSchema } },
    },
    async ({ principal, params: { webhookId }, body: { eventId }, draw }) => {
      await open(store, principal, webhookId);
      const place = await log.placeOf({ organizationId: principal.organizationId, webhookId }, eventId);
      if (!place) throw notFound(`the event ${eventId} in the log of ${webhookId}`);
      const options = { updateId: `replay-${draw.id('event')}` };
      const workflowId = contract.webhookWorkflowId(webhookId);
      const deliver = () => workflows.update<true>(workflowId, contract.replayDelivery, [place], options);
      if ((await deliver()) === undefined) {
        await begin(deps, await keptState(deps, principal.organizationId, webhookId));
        if ((await deliver()) === undefined) throw notFound(webhookId);
      }
      return json(202, { eventId });
    },
  );
}

async function open(store: ConfigurationStore, { organizationId }: Principal, webhookId: string) {
  const stored = await store.read<WebhookDocument>(contract.webhookKey(organizationId, webhookId));
  if (!stored) throw notFound(webhookId);
  return stored;
}

/** How far everything is stored now. */
async function present({ trace }: WebhookRouteDeps, organizationId: string): Promise<WebhookPosition[]> {
  const { next } = await askTraceStore(() =>
    trace.matchEvents({ organizationId, types: [...contract.deliveredTypes], limit: 1 }),
  );
  return next.map(webhookPosition);
}

/** How far it has come; one that has just been made is at the present. */
async function keptState(deps: WebhookRouteDeps, organizationId: string, webhookId: string): Promise<WebhookSpec> {
  const key = contract.webhookStateKey(organizationId, webhookId);
  const kept = await deps.store.read<WebhookSpec>(key);
  if (kept) return kept.value;
  const after = await present(deps, organizationId);
  return (await deps.store.create<WebhookSpec>(key, { organizationId, webhookId, after })).value;
}

async function begin({ workflows }: WebhookRouteDeps, spec: WebhookSpec): Promise<void> {
  await workflows.start(contract.webhookWorkflow, contract.webhookWorkflowId(spec.webhookId), spec, { again: true });
}

/** An address that will never be reached is told at once; of a name it is not known yet. */
function checkReachable({ webhooks }: Pick<OperatorConfig, 'webhooks'>, url: string): void {
  const { hostname, port, protocol } = new URL(url);
  const address = plainAddress(canonicalHost(hostname) ?? '');
  if (address === undefined) return;
  const judge = createAddressJudge(() => new Set(), webhooks.privateAllowed);
  const isReachable = judge(address, Number(port) || (protocol === 'https:' ? 443 : 80));
  if (!isReachable)
    throw invalid({
      path: 'url',
      message: 'is not https, or of a private network: the operator allows it by webhooks.privateAllowed',
    });
}

/** @throws cursor_invalid */
function placeInLog(cursor: string | undefined): number | undefined {
  if (cursor === undefined) return undefined;
  if (/^[1-9]\d{0,14}$/.test(cursor)) return Number(cursor);
  throw new Problem('cursor_invalid', 'cursor: is not the nextCursor of a page of this list');
}

/** As Standard Webhooks writes it. */
function newSecret(draw: Draw, webhookId: string): string {
  return `whsec_${draw.bytes(`secret of ${webhookId}`).subarray(0, secretBytes).toString('base64')}`;
}
