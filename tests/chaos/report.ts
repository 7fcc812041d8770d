// What a run of the fault suite found, as a table or as JSON.

import type { Violation, ViolationKind } from './checks.ts';
import { faultName } from './faults.ts';
import type { RoundResult } from './round-result.ts';

export interface Recovery {
  fault: string;
  times: number;
  p50Ms: number;
  maxMs: number;
}

export interface Summary {
  seed: string;
  rounds: number;
  failedRounds: number[];
  /** How often each fault came. */
  faults: Record<string, number>;
  commands: number;
  events: number;
  bytes: number;
  /** Commands that ended with their sandbox or host, where the fault allows it. */
  lostCommands: number;
  hibernations: number;
  forks: number;
  turns: number;
  /** How many ended as what. */
  proposals: Record<string, number>;
  violations: Record<ViolationKind, number>;
  recovery: Recovery[];
  elapsedSeconds: number;
}

const KINDS: ViolationKind[] = ['lost', 'duplicate', 'stuck', 'orphan', 'outcome', 'differs', 'slow', 'broken'];

/** `after` are what was found once the last round was over. */
export function summarize(seed: string, rounds: readonly RoundResult[], after: readonly Violation[]): Summary {
  const sum = (of: (round: RoundResult) => number) => rounds.reduce((total, round) => total + of(round), 0);
  const names = rounds.flatMap(({ plan }) => plan.faults.map(faultName));
  const all = [...rounds.flatMap(({ violations }) => violations), ...after];
  const count = (kind: ViolationKind) => all.filter((violation) => violation.kind === kind).length;
  return {
    seed,
    rounds: rounds.length,
    failedRounds: rounds.filter(({ violations }) => violations.length > 0).map(({ plan }) => plan.number),
    faults: Object.fromEntries([...new Set(names)].map((name) => [name, names.filter((one) => one === name).length])),
    commands: sum(({ commands }) => commands),
    events: sum(({ events }) => events),
    bytes: sum(({ bytes }) => bytes),
    lostCommands: sum(({ lostCommands }) => lostCommands),
    hibernations: sum(({ hibernations }) => hibernations),
    forks: sum(({ forks }) => forks),
    turns: sum(({ turns }) => turns),
    proposals: Object.fromEntries(
      [...new Set(rounds.flatMap(({ proposals }) => Object.keys(proposals)))].map((state) => [
        state,
        sum(({ proposals }) => proposals[state] ?? 0),
      ]),
    ),
    violations: Object.fromEntries(KINDS.map((kind) => [kind, count(kind)])) as Summary['violations'],
    recovery: recoveries(rounds),
    elapsedSeconds: Math.round(sum(({ elapsedMs }) => elapsedMs) / 1000),
  };
}

function recoveries(rounds: readonly RoundResult[]): Recovery[] {
  const byFault = new Map<string, number[]>();
  for (const { recovery } of rounds) {
    if (!recovery) continue;
    const name = faultName(recovery.fault);
    byFault.set(name, [...(byFault.get(name) ?? []), recovery.ms]);
  }
  return [...byFault].toSorted().map(([fault, times]) => {
    const sorted = times.toSorted((a, b) => a - b);
    return { fault, times: times.length, p50Ms: Math.round(middle(sorted)), maxMs: Math.round(sorted.at(-1)!) };
  });
}

function middle(sorted: readonly number[]): number {
  return sorted[Math.ceil(sorted.length / 2) - 1]!;
}

export function formatSummary(summary: Summary): string {
  const { violations } = summary;
  const rows: [string, string][] = [
    ['rounds', `${summary.rounds}, ${summary.failedRounds.length} failed`],
    ['seed', summary.seed],
    ['commands', String(summary.commands)],
    ['events', String(summary.events)],
    ['bytes checked', summary.bytes.toLocaleString('en-US')],
    ['ended with sandbox or host', String(summary.lostCommands)],
    ['hibernations', String(summary.hibernations)],
    ['forks', String(summary.forks)],
    ['turns', String(summary.turns)],
    ...Object.entries(summary.proposals).map(([state, count]): [string, string] => [
      `proposals ${state}`,
      String(count),
    ]),
    ...KINDS.map((kind): [string, string] => [kind, String(violations[kind])]),
    ['elapsed', `${summary.elapsedSeconds} s`],
  ];
  const recovered = new Map(summary.recovery.map((one) => [one.fault, one]));
  const faults = Object.entries(summary.faults)
    .toSorted()
    .map(([name, times]) => {
      const { p50Ms, maxMs } = recovered.get(name) ?? {};
      return [name, String(times), seconds(p50Ms), seconds(maxMs)];
    });
  const table = [['fault', 'times', 'recovery p50', 'max'], ...faults];
  return `${align(rows)}\n\n${align(table)}\n`;
}

function seconds(ms: number | undefined): string {
  return ms === undefined ? '-' : `${(ms / 1000).toFixed(1)} s`;
}

function align(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[]) => row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ');
  return rows.map((row) => line(row).trimEnd()).join('\n');
}
