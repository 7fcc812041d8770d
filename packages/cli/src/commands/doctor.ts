// worktrail doctor: what has no counterpart, and with --fix its removal.

import type { Doctor, DoctorFix, Finding } from '@worktrail/client';
import type { Cli } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';
import { formatAge } from '../screen/quantities.ts';

export async function doctor(cli: Cli, { fix }: { fix?: boolean }): Promise<number> {
  const client = await cli.client();
  const found = await (fix ? client.doctor.fix() : client.doctor.check());
  await (cli.screen.json ? cli.screen.document(found) : print(cli, found));
  const failures = fix ? (found as DoctorFix).failed.length : 0;
  return found.findings.length + found.incomplete.length + failures === 0 ? exitCodes.ok : exitCodes.failed;
}

async function print(cli: Cli, found: Doctor | DoctorFix): Promise<void> {
  const { screen } = cli;
  if ('removed' in found) {
    for (const { kind, name } of found.removed) await screen.line(`removed  ${kind} ${name}`);
    for (const { finding, reason } of found.failed)
      screen.note(`${finding.kind} ${finding.name} could not be removed: ${reason}`);
  }
  if (found.findings.length > 0) await printFindings(cli, found.findings);
  else if (found.incomplete.length === 0) screen.note('Everything has its counterpart.');
  if (found.truncated) screen.note('There is more than is shown.');
  for (const what of found.incomplete) screen.note(`Not all was looked at: ${what}`);
}

async function printFindings({ screen, surroundings }: Cli, findings: readonly Finding[]): Promise<void> {
  const nowMs = surroundings.nowMs();
  const columns = [
    { title: 'WHAT' },
    { title: 'NAME' },
    { title: 'WHERE' },
    { title: 'SINCE' },
    { title: 'GOES' },
    { title: 'WHY', shrinks: true },
  ];
  const row = (one: Finding) => [
    ...[one.kind, one.name, one.part === 'orchestrator' ? '' : one.id, formatAge(one.since, nowMs)],
    ...[goes(one, nowMs), one.reason],
  ];
  await screen.table(columns, findings.map(row));
}

function goes({ due }: Finding, nowMs: number): string {
  if (due === null) return 'never by itself';
  const seconds = Math.ceil((Date.parse(due) - nowMs) / 1_000);
  return seconds <= 0 ? 'now' : `in ${seconds} s`;
}
