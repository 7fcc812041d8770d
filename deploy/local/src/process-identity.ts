/**
 * A process named so that a later process with the same number is not mistaken for it: pid and kernel start time.
 */
import { readFile } from 'node:fs/promises';
import { waitUntil } from './wait-until.ts';

export interface ProcessIdentity {
  pid: number;
  /** Clock ticks from boot to the start of the process, as `/proc/<pid>/stat` gives them. */
  startTicks: number;
}

/** Null when no such process lives; a zombie does not live. */
export async function identifyProcess(pid: number): Promise<ProcessIdentity | null> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  return stat === null ? null : parseProcessStat(stat);
}

/** The second field is the program's name in parentheses and may itself hold spaces and parentheses. */
export function parseProcessStat(stat: string): ProcessIdentity | null {
  const pid = Number.parseInt(stat, 10);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const startTicks = Number(fields[19]);
  if (fields[0] === 'Z' || fields[0] === 'X' || !Number.isInteger(pid) || !Number.isInteger(startTicks)) return null;
  return { pid, startTicks };
}

export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  return (await identifyProcess(identity.pid))?.startTicks === identity.startTicks;
}

/** TERM, then after the time KILL to its whole process group. Returns once it is gone. */
export async function endProcess(identity: ProcessIdentity, termTimeoutMs: number): Promise<void> {
  if (!(await isAlive(identity))) return;
  signalQuietly(identity.pid, 'SIGTERM');
  const gone = async () => !(await isAlive(identity));
  const what = `process ${identity.pid} to end`;
  await waitUntil(gone, { what, timeoutMs: termTimeoutMs }).catch(() => undefined);
  signalQuietly(-identity.pid, 'SIGKILL');
  if (await gone()) return;
  signalQuietly(identity.pid, 'SIGKILL');
  await waitUntil(gone, { what, timeoutMs: 5_000 });
}

/** A negative pid addresses a process group. A process that is gone is no error. */
export function signalQuietly(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
