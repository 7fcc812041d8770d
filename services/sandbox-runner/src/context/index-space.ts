// How much of the host's disk the indexes take: what was used longest ago goes first, for it can be made again.

import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

export interface FoundIndex {
  directory: string;
  bytes: number;
  usedMs: number;
}

/** Which are to go so that the rest is within the bound. Those of `kept` stay. */
export function planEviction(found: readonly FoundIndex[], bytesMax: number, kept: ReadonlySet<string>): string[] {
  let total = found.reduce((sum, { bytes }) => sum + bytes, 0);
  const going: string[] = [];
  for (const { directory, bytes } of found.toSorted((one, two) => one.usedMs - two.usedMs)) {
    if (total <= bytesMax) break;
    if (kept.has(directory)) continue;
    going.push(directory);
    total -= bytes;
  }
  return going;
}

/** @param root which has a directory for each organization, and in it one for each mirror */
export async function findIndexes(root: string): Promise<FoundIndex[]> {
  const found: FoundIndex[] = [];
  for (const organization of await namesIn(root)) {
    for (const name of await namesIn(join(root, organization))) {
      const directory = join(root, organization, name);
      const usedMs = await stat(directory).then(
        (entry) => (entry.isDirectory() ? entry.mtimeMs : undefined),
        () => undefined,
      );
      if (usedMs === undefined) continue;
      let bytes = 0;
      for (const file of await namesIn(directory)) {
        bytes += await stat(join(directory, file)).then(
          ({ size }) => size,
          () => 0,
        );
      }
      found.push({ directory, bytes, usedMs });
    }
  }
  return found;
}

export async function makeIndexSpace(root: string, bytesMax: number, kept: ReadonlySet<string>): Promise<string[]> {
  const going = planEviction(await findIndexes(root), bytesMax, kept);
  for (const directory of going) await rm(directory, { recursive: true, force: true });
  return going;
}

async function namesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
    throw error;
  });
}
