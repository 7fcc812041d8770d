// CPU time of processes, which other load on the machine hardly changes: what a rate cannot say on a busy one.

import { readFile } from 'node:fs/promises';

/** Linux counts in hundredths of a second, whatever the kernel's own clock does. */
const tickMs = 10;

/** Since its start, with those of its children that have ended. */
export async function cpuMs(pid: number): Promise<number> {
  return parseCpuMs(await readFile(`/proc/${pid}/stat`, 'utf8'));
}

/** The second field is the program's name in parentheses and may itself hold spaces and parentheses. */
export function parseCpuMs(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return ticks * tickMs;
}

/** Of a process and of those that it has started and that live, as above. */
export async function cpuMsOfTree(pid: number): Promise<number> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  const below = children.split(' ').filter((one) => one !== '');
  const times = await Promise.all(below.map((child) => cpuMsOfTree(Number(child)).catch(() => 0)));
  return (await cpuMs(pid)) + times.reduce((sum, ms) => sum + ms, 0);
}

/** Of each, by name: several processes under one name are one. */
export async function cpuMsOf(processes: Record<string, readonly number[]>): Promise<Record<string, number>> {
  const entries = Object.entries(processes).map(async ([name, pids]) => {
    const times = await Promise.all(pids.map(cpuMsOfTree));
    return [name, times.reduce((sum, ms) => sum + ms, 0)] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

export function addDifference(
  sum: Record<string, number>,
  before: Record<string, number>,
  after: Record<string, number>,
): void {
  for (const [name, ms] of Object.entries(after)) sum[name] = (sum[name] ?? 0) + ms - (before[name] ?? 0);
}
