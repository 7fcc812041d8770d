// worktrail compare

import type { Cli } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';
import { formatDuration } from '../screen/quantities.ts';
import { paintState } from '../screen/style.ts';

export async function compare(cli: Cli, taskId: string): Promise<number> {
  const comparison = await (await cli.client()).tasks.compare(taskId);
  const { screen } = cli;
  if (screen.json) {
    await screen.document(comparison);
    return exitCodes.ok;
  }
  const right = { align: 'right' as const };
  const style = (padded: string, state: string) => paintState(screen.style, state)(padded);
  const columns = [
    { title: 'SESSION' },
    { title: 'ATTEMPT', shrinks: true },
    { title: 'VERDICT', style },
    { title: 'COMMITS', ...right },
    { title: 'FILES', ...right },
    { title: 'LINES', ...right },
    { title: 'COMMANDS', ...right },
    { title: 'TIME', ...right },
    { title: 'PROPOSAL' },
    { title: 'WHY', shrinks: true },
  ];
  const rows = comparison.items.map((one) => [
    one.sessionId,
    one.title,
    one.verdict ?? '',
    numberText(one.commits),
    numberText(one.filesChanged),
    one.additions === null ? '' : `+${one.additions} -${one.deletions}`,
    String(one.commands),
    one.durationSeconds === null ? '' : formatDuration(one.durationSeconds * 1_000),
    one.proposal ? `${one.proposal.id} ${one.proposal.state}` : '',
    one.reason ?? '',
  ]);
  await screen.table(columns, rows);
  return exitCodes.ok;
}

function numberText(value: number | null): string {
  return value === null ? '' : String(value);
}
