// worktrail status: every part with its state, versions, addresses, disk used, and what could not be stored.

import type { Cli } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';
import { formatAge, formatBytes } from '../screen/quantities.ts';
import { slotsText } from '../screen/slots-text.ts';
import { paintState } from '../screen/style.ts';
import { visible } from '../screen/visible-text.ts';
import { type ClusterStatus, type HistoryStatus, readClusterStatus } from '../status/cluster-status.ts';

export async function status(cli: Cli): Promise<number> {
  const connection = await cli.connection();
  const found = await readClusterStatus(await cli.client(), connection);
  await (cli.screen.json ? cli.screen.document(found) : printStatus(cli, found));
  return found.readiness?.ready ? exitCodes.ok : exitCodes.unavailable;
}

async function printStatus(cli: Cli, found: ClusterStatus): Promise<void> {
  const { screen } = cli;
  const state = found.readiness === null ? 'down' : found.readiness.ready ? 'ready' : 'not ready';
  await screen.line(`${screen.style.bold(found.apiUrl)}  ${paintState(screen.style, state)(state)}`);
  if (found.unreachable) await screen.line(`${visible(found.unreachable)}\nStart the cluster with: npm start`);
  const versions = Object.entries(found.versions).map(([name, version]) => `${name} ${version}`);
  await screen.line(visible(versions.join('  ')));
  await printParts(cli, found);
  await printProcesses(cli, found);
  await printRunners(cli, found);
  await printHistory(cli, found);
  await printUpgrades(cli, found);
  await printDisk(cli, found);
}

async function printParts({ screen }: Cli, { readiness }: ClusterStatus): Promise<void> {
  const parts = Object.entries(readiness?.parts ?? {});
  if (parts.length === 0) return;
  await screen.line('');
  const paint = (padded: string, text: string) => paintState(screen.style, text)(padded);
  const columns = [{ title: 'PART' }, { title: 'STATE', style: paint }, { title: 'DETAIL', shrinks: true }];
  await screen.table(
    columns,
    parts.map(([name, { ok, detail }]) => [name, ok ? 'ok' : 'down', detail ?? '']),
  );
}

async function printProcesses({ screen }: Cli, { processes }: ClusterStatus): Promise<void> {
  if (processes.length === 0) return;
  await screen.line('');
  const paint = (padded: string, text: string) => paintState(screen.style, text)(padded);
  const columns = [
    { title: 'PROCESS' },
    { title: 'STATE', style: paint },
    { title: 'PID', align: 'right' as const },
    { title: 'ADDRESS', shrinks: true },
  ];
  await screen.table(
    columns,
    processes.map(({ name, pid, alive, address }) => [name, alive ? 'running' : 'down', String(pid), address ?? '']),
  );
}

async function printRunners({ screen, surroundings }: Cli, { runners }: ClusterStatus): Promise<void> {
  if (!runners || runners.length === 0) return;
  await screen.line('');
  const columns = [
    { title: 'RUNNER' },
    { title: 'VERSION' },
    { title: 'SLOTS', align: 'right' as const },
    { title: 'STARTED' },
    { title: 'LACKS' },
  ];
  const nowMs = surroundings.nowMs();
  await screen.table(
    columns,
    runners.map(({ id, version, slots, startedAt, unavailable }) => [
      id,
      version,
      slotsText(slots),
      formatAge(startedAt, nowMs),
      unavailable ?? '',
    ]),
  );
}

/** Totals; by partition where something is to be looked at. */
async function printUpgrades({ screen }: Cli, { upgrades }: ClusterStatus): Promise<void> {
  for (const { table, what, partsLeft } of upgrades ?? []) {
    const left = `${partsLeft} ${partsLeft === 1 ? 'part' : 'parts'} left`;
    await screen.line(visible(`upgrade goes on  ${table}: ${what}, ${left}`));
  }
}

async function printHistory({ screen }: Cli, { history }: ClusterStatus): Promise<void> {
  if (history === null) return;
  const sum = (of: (part: HistoryStatus) => number) => history.reduce((total, part) => total + of(part), 0);
  const lettersTotal = sum(({ deadLetters }) => deadLetters);
  const gapsTotal = sum(({ gaps }) => gaps);
  const marked = (count: number) => (count > 0 ? screen.style.red(String(count)) : String(count));
  await screen.line(
    `\ndead letters  ${marked(lettersTotal)}  events backfilled  ${sum(({ eventsBackfilled }) => eventsBackfilled)}  gaps  ${marked(gapsTotal)}`,
  );
  const troubled = history.filter(({ deadLetters, gaps }) => deadLetters > 0 || gaps > 0);
  if (troubled.length === 0) return;
  const right = { align: 'right' as const };
  const columns = [
    { title: 'PARTITION', ...right },
    { title: 'DEAD LETTERS', ...right },
    { title: 'BACKFILLED', ...right },
    { title: 'GAPS', ...right },
    { title: 'NEWEST REASON', shrinks: true },
  ];
  await screen.table(
    columns,
    troubled.map(({ partition, deadLetters, eventsBackfilled, gaps, newestDeadLetterReason }) => [
      String(partition),
      String(deadLetters),
      String(eventsBackfilled),
      String(gaps),
      visible(newestDeadLetterReason ?? ''),
    ]),
  );
}

async function printDisk({ screen }: Cli, { disk, stateDirectory }: ClusterStatus): Promise<void> {
  if (stateDirectory === null) return;
  const total = disk.reduce((sum, { bytes }) => sum + bytes, 0);
  await screen.line(`\n${stateDirectory}  ${formatBytes(total)}`);
  const columns = [{ title: 'DIRECTORY' }, { title: 'DISK USED', align: 'right' as const }];
  await screen.table(
    columns,
    disk.map(({ name, bytes, isPartial }) => [name, `${isPartial ? '≥ ' : ''}${formatBytes(bytes)}`]),
  );
}
