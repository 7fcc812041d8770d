// worktrail limits: the quotas of the organization and how much of them is used.

import type { Limits } from '@worktrail/client';
import type { Cli } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';
import { resolveProjectId } from './resolve-project.ts';

export async function limits(cli: Cli, options: { project?: string }): Promise<number> {
  const client = await cli.client();
  const projectId = options.project ? await resolveProjectId(cli, client, options.project) : undefined;
  const found = await client.limits.get({ projectId });
  await (cli.screen.json ? cli.screen.document(found) : printLimits(cli, found));
  return exitCodes.ok;
}

async function printLimits({ screen }: Cli, found: Limits): Promise<void> {
  const columns = [
    { title: 'OF' },
    { title: 'LIMIT' },
    { title: 'USED', align: 'right' as const },
    { title: 'MAXIMUM', align: 'right' as const },
  ];
  const row = (whose: string, name: string, { used, max }: Limits['liveSessions']) => [
    ...[whose, name, String(used), max === null ? 'none' : String(max)],
  ];
  const whole = 'organization';
  await screen.table(columns, [
    row(whole, 'live sessions', found.liveSessions),
    row(whole, 'running commands', found.runningCommands),
    row(whole, 'event streams', found.eventStreams),
    row(whole, 'waiting requests', found.waitingRequests),
    ...found.projects.flatMap(({ projectId, liveSessions, runningCommands }) => [
      row(projectId, 'live sessions', liveSessions),
      row(projectId, 'running commands', runningCommands),
    ]),
  ]);
  if (found.projectsLeftOut > 0) screen.note(`${found.projectsLeftOut} more projects were left out: name one with -p.`);
}
