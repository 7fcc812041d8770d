// Webhooks.

import type { Command } from 'commander';
import {
  webhookCreate,
  webhookDelete,
  webhookDeliveries,
  webhookList,
  webhookReplay,
  webhookUpdate,
} from '../commands/webhook.ts';
import { commaSeparated, wholeNumber } from '../option-values.ts';
import type { Action } from './action.ts';

export function addWebhooks(program: Command, action: Action): void {
  const webhook = program.command('webhook').description('events delivered to a URL, signed (Standard Webhooks)');
  webhook
    .command('create <url>')
    .description('have events delivered from now on; the secret that they are signed with is shown once')
    .requiredOption('-t, --types <types>', 'event types, separated by commas: command.ended,turn.ended', commaSeparated)
    .option('-p, --project <id or name>', 'only of this project')
    .option('--description <text>', 'what it is for')
    .action(action(webhookCreate));
  webhook.command('list').description('the webhooks of the organization').action(action(webhookList));
  webhook
    .command('update <webhook>')
    .description('change it; what waits is tried at once')
    .option('--url <url>', 'deliver there')
    .option('-t, --types <types>', 'event types, separated by commas', commaSeparated)
    .option('--enable', 'go on where it was')
    .option('--disable', 'deliver nothing until it is enabled')
    .action(action(webhookUpdate));
  webhook.command('delete <webhook>').description('nothing more is delivered').action(action(webhookDelete));
  webhook
    .command('deliveries <webhook>')
    .description('attempts to deliver, newest first')
    .option('-n, --limit <n>', 'so many', wholeNumber(1, 200), 50)
    .action(action(webhookDeliveries));
  webhook
    .command('replay <webhook> <event>')
    .description('deliver an event of the log again, under the same webhook-id')
    .action(action(webhookReplay));
}
