// How much disk each part of a state directory takes: allocated blocks, on its own file system, with a bound on the looking.

import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

const entriesMax = 200_000;

export interface DiskUse {
  name: string;
  bytes: number;
  /** True when there was more than was looked at: `bytes` is a lower bound. */
  isPartial: boolean;
}

/** One entry for each directory in `root`, largest first. Files that vanish meanwhile are passed over. */
export async function diskUseOf(root: string): Promise<DiskUse[]> {
  const { dev } = await lstat(root);
  const uses: DiskUse[] = [];
  for (const entry of await readdir(root, { withFileTypes: true })) {
    if (entry.isDirectory()) uses.push({ name: entry.name, ...(await measure(join(root, entry.name), dev)) });
  }
  return uses.sort((a, b) => b.bytes - a.bytes);
}

async function measure(directory: string, device: number): Promise<{ bytes: number; isPartial: boolean }> {
  const pending = [directory];
  let bytes = 0;
  let seen = 0;
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const found = await lstat(next).catch(() => null);
    // Another device is something mounted here, a container's root for one.
    if (found === null || found.dev !== device) continue;
    bytes += found.blocks * 512;
    if (++seen >= entriesMax) return { bytes, isPartial: true };
    if (!found.isDirectory()) continue;
    const parent = next;
    for (const name of await readdir(parent).catch(() => [])) pending.push(join(parent, name));
  }
  return { bytes, isPartial: false };
}
