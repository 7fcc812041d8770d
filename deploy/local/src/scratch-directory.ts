/**
 * Directories for half-made things below one that several clusters may share; each is named after the process that works in it.
 *
 * One is gone with its work. What a killed process left is swept by whoever starts next; that of a live one is left alone.
 */
import { mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseMountPoints } from './mount-points.ts';
import { identifyProcess, isAlive, type ProcessIdentity } from './process-identity.ts';

export type ScratchKind = 'fetch' | 'image';

/** Longer than any work in one may take: for names that tell no process. */
const WORK_MAX_MS = 60 * 60_000;

export async function inScratch<T>(
  parent: string,
  kind: ScratchKind,
  work: (scratch: string) => Promise<T>,
): Promise<T> {
  await mkdir(parent, { recursive: true });
  const owner = await identifyProcess(process.pid);
  const name = owner ? `.${kind}-${owner.pid}-${owner.startTicks}-` : `.${kind}-`;
  const scratch = await mkdtemp(join(parent, name));
  try {
    return await work(scratch);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** The owner that a name tells; undefined for one that tells none, null for what is no such directory. */
export function scratchOwner(name: string): ProcessIdentity | undefined | null {
  if (!/^\.(fetch|image)-/.test(name)) return null;
  const [, pid, startTicks] = /^\.\w+-(\d+)-(\d+)-\w{6}$/.exec(name) ?? [];
  return pid === undefined ? undefined : { pid: Number(pid), startTicks: Number(startTicks) };
}

/** Returns the names of what it removed. One with something mounted in it stays: it is another's file system. */
export async function sweepScratch(parent: string): Promise<string[]> {
  const names = await readdir(parent).catch(() => []);
  const removed: string[] = [];
  for (const name of names) {
    const path = join(parent, name);
    if (!(await isLeftover(name, path))) continue;
    if (parseMountPoints(await readFile('/proc/self/mountinfo', 'utf8'), path).length > 0) continue;
    const isGone = await rm(path, { recursive: true, force: true }).then(
      () => true,
      () => false, // another's directory, or another start sweeps it in this moment
    );
    if (isGone) removed.push(name);
  }
  return removed;
}

async function isLeftover(name: string, path: string): Promise<boolean> {
  const owner = scratchOwner(name);
  if (owner === null) return false;
  if (owner !== undefined) return !(await isAlive(owner));
  const found = await stat(path).catch(() => null);
  return found !== null && Date.now() - found.mtimeMs > WORK_MAX_MS;
}
