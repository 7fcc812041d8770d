// Room on the disks that sandboxes fill with volumes and journals. Nothing bounds what one sandbox writes there, so below the
// operator's reserve nothing is opened and nothing is started: what runs, and the other parts on that disk, need the rest.

import { statfs } from 'node:fs/promises';

/** Trying again helps once there is room. */
export class NoDiskSpace extends Error {
  override readonly name = 'NoDiskSpace';
}

/** @throws NoDiskSpace with a message for people who may not know the host's paths. */
export async function requireDiskSpace(paths: readonly string[], reserveBytes: number): Promise<void> {
  for (const path of paths) {
    const free = await freeBytes(path);
    if (free >= reserveBytes) continue;
    throw new NoDiskSpace(`${mib(free)} MiB are free, less than the reserve of ${mib(reserveBytes)} MiB`);
  }
}

export async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}

function mib(bytes: number): number {
  return Math.floor(bytes / 1024 ** 2);
}
