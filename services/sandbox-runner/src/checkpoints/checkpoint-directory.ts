// The directory that a session's host and its sandbox share for checkpoints; a sandbox sees it at `sandboxPaths.checkpoints`.
//
//   <session>/checkpoints/work    the sandbox's user's own: the private git directory, and what the sandbox hands over. Hostile, disposable.
//   <session>/checkpoints/given   root's own: what the host hands over; the sandbox can only read it.
//
// The directory itself is root's: in the sandbox neither part can be replaced by anything else, so a file directly in one of them can be
// opened by its path without following a link.

import { chmod, lchown, mkdir } from 'node:fs/promises';
import { join } from 'node:path';

export function checkpointDirectory(sessionPath: string): { path: string; work: string; given: string } {
  const path = join(sessionPath, 'checkpoints');
  return { path, work: join(path, 'work'), given: join(path, 'given') };
}

/** Harmless where it is there. Before the container is made. */
export async function createCheckpointDirectory(sessionPath: string, sandboxUser: number): Promise<string> {
  const { path, work, given } = checkpointDirectory(sessionPath);
  for (const one of [path, work, given]) await mkdir(one, { recursive: true });
  await chmod(path, 0o755);
  await chmod(given, 0o755);
  await lchown(work, sandboxUser, sandboxUser);
  return path;
}
