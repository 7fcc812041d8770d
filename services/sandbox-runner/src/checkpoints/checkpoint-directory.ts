// The directory that a session's host and its sandbox share for checkpoints; a sandbox sees it at `sandboxPaths.checkpoints`.
//
//   <session>/checkpoints/work    the sandbox's user's own: the private git directory, and what the sandbox hands over. Hostile, disposable.
//   <session>/checkpoints/given   root's own: what the host hands over; the sandbox can only read it.
//
// The directory itself is root's: in the sandbox neither part can be replaced by anything else, so a file directly in one of them can be
// opened by its path without following a link.

import { chmod, lchown, mkdir, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { removeTree } from '../host/remove-tree.ts';

export const setAsidePrefix = 'aside-';
const setAsideMax = 100;

export function checkpointDirectory(sessionPath: string): { path: string; work: string; given: string } {
  const path = join(sessionPath, 'checkpoints');
  return { path, work: join(path, 'work'), given: join(path, 'given') };
}

/** Before the container is made, while none of the session runs: harmless where it is there. */
export async function createCheckpointDirectory(sessionPath: string, sandboxUser: number): Promise<string> {
  const { path } = checkpointDirectory(sessionPath);
  const there = await readdir(path).catch(() => []);
  for (const name of there.filter(isSetAside)) await removeTree(join(path, name));
  await makeParts(sessionPath, sandboxUser);
  return path;
}

/**
 * Gives the sandbox an empty part of its own. What was in it may be anything, and may be changed while it is looked at: it is moved away
 * by one rename; the sandbox empties it (record.sh), and it is removed once no container runs.
 */
export async function setWorkAside(sessionPath: string, sandboxUser: number): Promise<void> {
  const { path, work } = checkpointDirectory(sessionPath);
  for (let number = 0; !(await moved(work, join(path, `${setAsidePrefix}${number}`))); number += 1) {
    if (number === setAsideMax) throw new Error('the sandbox keeps what was set aside from being removed');
  }
  await makeParts(sessionPath, sandboxUser);
}

/** Only to where nothing is, or an empty directory. */
async function moved(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}

async function makeParts(sessionPath: string, sandboxUser: number): Promise<void> {
  const { path, work, given } = checkpointDirectory(sessionPath);
  for (const one of [path, work, given]) await mkdir(one, { recursive: true });
  await chmod(path, 0o755);
  await chmod(given, 0o755);
  await lchown(work, sandboxUser, sandboxUser);
}

function isSetAside(name: string): boolean {
  return name.startsWith(setAsidePrefix);
}
