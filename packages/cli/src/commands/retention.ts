// worktrail retention: how long the organization's history is kept, shown or changed.

import type { Retention } from '@worktrail/client';
import type { Cli } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';

export interface RetentionOptions {
  events?: number | null;
  output?: number | null;
  audit?: number | null;
}

export async function retention(cli: Cli, { events, output, audit }: RetentionOptions): Promise<number> {
  const client = await cli.client();
  let found = await client.retention.get();
  if (events !== undefined || output !== undefined || audit !== undefined) {
    found = await client.retention.put({
      eventsDays: events === undefined ? found.eventsDays : events,
      outputDays: output === undefined ? found.outputDays : output,
      auditDays: audit === undefined ? found.auditDays : audit,
    });
  }
  await (cli.screen.json ? cli.screen.document(found) : print(cli, found));
  return exitCodes.ok;
}

async function print({ screen }: Cli, found: Retention): Promise<void> {
  const right = 'right' as const;
  const columns = [
    ...[{ title: 'OF' }, { title: 'DAYS', align: right }, { title: 'MAXIMUM', align: right }],
    ...[{ title: 'OLDEST' }, { title: 'LAST RUN' }, { title: 'REMOVED', align: right }],
  ];
  const row = (kind: 'events' | 'output' | 'audit') => {
    const { days, daysMax, oldest, lastRun } = found[kind];
    return [
      ...[kind, days === null ? 'for ever' : String(days), daysMax === null ? 'any' : String(daysMax)],
      ...[oldest ?? '-', lastRun?.time ?? '-', lastRun ? String(lastRun.removed) : '-'],
    ];
  };
  await screen.table(columns, [row('events'), row('output'), row('audit')]);
}
