// worktrail webhook create | list | update | delete | deliveries | replay: events delivered to a URL.

import type { CreateWebhook, UpdateWebhook, Webhook, WebhookDelivery } from '@worktrail/client';
import type { Cli } from '../cli.ts';
import { exitCodes, UsageError } from '../exit-codes.ts';
import { formatAge } from '../screen/quantities.ts';
import { resolveProjectId } from './resolve-project.ts';

export interface WebhookCreateOptions {
  types: string[];
  project?: string;
  description?: string;
}

export async function webhookCreate(cli: Cli, url: string, options: WebhookCreateOptions): Promise<number> {
  const client = await cli.client();
  const projectId = options.project ? await resolveProjectId(cli, client, options.project) : undefined;
  const webhook = await client.webhooks.create({
    url,
    types: options.types as CreateWebhook['types'],
    ...(projectId !== undefined && { projectId }),
    ...(options.description !== undefined && { description: options.description }),
  });
  if (cli.screen.json) await cli.screen.document(webhook);
  else {
    await cli.screen.fields([
      ['webhook', webhook.id],
      ['url', webhook.url],
      ['types', webhook.types.join(', ')],
      ['secret', webhook.secret],
    ]);
    cli.screen.note('The secret is shown this once: it is what the receiver checks signatures with.');
  }
  return exitCodes.ok;
}

export async function webhookList(cli: Cli): Promise<number> {
  const client = await cli.client();
  const webhooks: Webhook[] = await Array.fromAsync(client.webhooks.all());
  if (cli.screen.json) {
    await cli.screen.document({ items: webhooks });
    return exitCodes.ok;
  }
  const columns = [
    { title: 'WEBHOOK' },
    { title: 'STATE', shrinks: true },
    { title: 'URL', shrinks: true },
    { title: 'PROJECT' },
    { title: 'TYPES', shrinks: true },
  ];
  const row = ({ id, enabled, disabledReason, url, projectId, types }: Webhook) => [
    ...[id, enabled ? 'enabled' : `disabled${disabledReason === null ? '' : `: ${disabledReason}`}`],
    ...[url, projectId ?? 'all', types.join(',')],
  ];
  await cli.screen.table(columns, webhooks.map(row));
  return exitCodes.ok;
}

export interface WebhookUpdateOptions {
  url?: string;
  types?: string[];
  enable?: boolean;
  disable?: boolean;
}

export async function webhookUpdate(cli: Cli, webhookId: string, options: WebhookUpdateOptions): Promise<number> {
  if (options.enable && options.disable) throw new UsageError('--enable and --disable exclude each other');
  const { url, types, enable, disable } = options;
  const body: UpdateWebhook = {
    ...(url !== undefined && { url }),
    ...(types !== undefined && { types: types as NonNullable<UpdateWebhook['types']> }),
    ...((enable ?? disable) !== undefined && { enabled: enable === true }),
  };
  const webhook = await (await cli.client()).webhooks.update(webhookId, body);
  const state = webhook.enabled ? 'enabled' : 'disabled';
  await (cli.screen.json ? cli.screen.document(webhook) : cli.screen.line(`${webhook.id}  ${state}`));
  return exitCodes.ok;
}

export async function webhookDelete(cli: Cli, webhookId: string): Promise<number> {
  await (await cli.client()).webhooks.delete(webhookId);
  const deleted = { id: webhookId, state: 'deleted' };
  await (cli.screen.json ? cli.screen.document(deleted) : cli.screen.line(`${webhookId}  deleted`));
  return exitCodes.ok;
}

export async function webhookDeliveries(cli: Cli, webhookId: string, { limit }: { limit: number }): Promise<number> {
  const { items } = await (await cli.client()).webhooks.deliveries(webhookId, { limit });
  if (cli.screen.json) {
    await cli.screen.document({ items });
    return exitCodes.ok;
  }
  const columns = [
    { title: 'EVENT' },
    { title: 'TYPE' },
    { title: 'WHEN' },
    { title: 'ATTEMPT', align: 'right' as const },
    { title: 'OUTCOME' },
    { title: 'STATUS' },
    { title: 'DETAIL', shrinks: true },
  ];
  const nowMs = cli.surroundings.nowMs();
  const row = ({ eventId, type, time, attempt, replay, outcome, status, detail, last }: WebhookDelivery) => [
    ...[eventId, type, formatAge(time, nowMs), `${attempt}${replay ? ' (replay)' : ''}`],
    ...[outcome === 'failed' && last ? 'given up' : outcome, status === null ? '-' : String(status)],
    detail,
  ];
  await cli.screen.table(columns, items.map(row));
  return exitCodes.ok;
}

export async function webhookReplay(cli: Cli, webhookId: string, eventId: string): Promise<number> {
  const taken = await (await cli.client()).webhooks.replay(webhookId, eventId);
  await (cli.screen.json ? cli.screen.document(taken) : cli.screen.line(`${eventId}  is delivered again`));
  return exitCodes.ok;
}
