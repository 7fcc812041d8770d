// worktrail runner list | drain

import type { Runner } from '@worktrail/client';
import type { Cli } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';
import { formatAge } from '../screen/quantities.ts';
import { slotsText } from '../screen/slots-text.ts';

export async function runnerList({ screen, surroundings, client }: Cli): Promise<number> {
  const runners: Runner[] = [];
  for await (const runner of (await client()).runners.all()) runners.push(runner);
  if (screen.json) await screen.document({ items: runners });
  else {
    const columns = [
      { title: 'RUNNER' },
      { title: 'STATE' },
      { title: 'SLOTS', align: 'right' as const },
      { title: 'SESSIONS', align: 'right' as const },
      { title: 'VERSION' },
      { title: 'STARTED' },
      { title: 'LABELS', shrinks: true },
    ];
    const nowMs = surroundings.nowMs();
    const row = (runner: Runner) => [
      ...[runner.id, stateText(runner), slotsText(runner.slots), String(runner.sessions)],
      ...[runner.version, formatAge(runner.startedAt, nowMs)],
      Object.entries(runner.labels)
        .map(([name, value]) => `${name}=${value}`)
        .join(' '),
    ];
    await screen.table(columns, runners.map(row));
  }
  return exitCodes.ok;
}

/** What keeps it from taking sessions, if anything. */
function stateText({ draining, unavailable }: Runner): string {
  const hindrances = [draining ? 'draining' : '', unavailable ? `lacks ${unavailable}` : ''].filter(Boolean);
  return hindrances.length > 0 ? hindrances.join(', ') : 'ready';
}

export async function runnerDrain(cli: Cli, runnerId: string, { undo }: { undo?: boolean }): Promise<number> {
  const order = await (await cli.client()).runners.drain(runnerId, { undo: undo === true });
  const told = order.draining ? 'draining' : 'takes sessions';
  await (cli.screen.json ? cli.screen.document(order) : cli.screen.line(`${order.runnerId}  ${told}`));
  return exitCodes.ok;
}
