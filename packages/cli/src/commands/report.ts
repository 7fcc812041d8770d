// worktrail report usage: what has been used, as a table.

import type { UsageReport } from '@worktrail/client';
import type { Cli } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';
import { formatCost } from '../screen/quantities.ts';
import { resolveProjectId } from './resolve-project.ts';

export const usageGroups: readonly UsageReport['groupBy'][] = ['model', 'project', 'task', 'session', 'day'];

export interface ReportOptions {
  from?: string;
  to?: string;
  project?: string;
}

export interface UsageOptions extends ReportOptions {
  by: UsageReport['groupBy'];
}

export async function reportUsage(cli: Cli, { from, to, project, by: groupBy }: UsageOptions): Promise<number> {
  const { screen } = cli;
  const client = await cli.client();
  const projectId = project === undefined ? undefined : await resolveProjectId(cli, client, project);
  const report = await client.analytics.usage({ from, to, projectId, groupBy });
  if (screen.json) await screen.document(report);
  else await printUsage(cli, report);
  return exitCodes.ok;
}

async function printUsage({ screen }: Cli, { groupBy, items, truncated }: UsageReport): Promise<void> {
  const right = { align: 'right' as const };
  const columns = [
    { title: groupBy.toUpperCase() },
    { title: 'CALLS', ...right },
    { title: 'INPUT', ...right },
    { title: 'OUTPUT', ...right },
    { title: 'CACHED', ...right, canGo: true },
    { title: 'COST', ...right },
  ];
  const rows = items.map(({ key, calls, inputTokens, outputTokens, cachedInputTokens, costUsd }) => [
    key,
    ...[calls, inputTokens, outputTokens, cachedInputTokens].map(String),
    formatCost(costUsd),
  ]);
  if (rows.length > 0) await screen.table(columns, rows);
  else screen.note('no model was called');
  if (truncated) screen.note('more were left out');
}
