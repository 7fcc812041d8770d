// What lies on a runner's disk that may be nobody's: session directories, and scratch of what was under way.
//
// 1. Nothing is followed out of the data directory: links are looked at, not through.
// 2. At most `entriesMax` entries of a directory are looked at, and of a tree `treeEntriesMax`: what is beyond waits its turn.
// 3. Of what a sandbox's user can write no name decides anything.

import { lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { isId } from '@worktrail/contract/ids';
import { setAsidePrefix } from '../checkpoints/checkpoint-directory.ts';
import type { FoundObject } from './judge.ts';

const entriesMax = 10_000;
const treeEntriesMax = 2_000;

/** Below the data directory: what is being removed is moved there first. */
export const removedDirectory = 'removed';

export async function findFiles(dataDirectory: string): Promise<FoundObject[]> {
  const found: FoundObject[] = [];
  for (const name of await namesIn(join(dataDirectory, 'sessions'))) {
    const sessionId = isId(name, 'session') ? name : null;
    found.push({ kind: 'directory', name, sessionId });
    if (sessionId !== null) await addLeftovers(found, dataDirectory, sessionPlaces(sessionId), { sessionId });
  }
  for (const organization of await namesIn(join(dataDirectory, 'mirrors'))) {
    const organizationId = isId(organization, 'organization') ? organization : null;
    const at = join('mirrors', organization);
    const mirrors = (await namesIn(join(dataDirectory, at))).filter((name) => name.endsWith('.git'));
    const places = [{ at, isScratch: isNew }, ...mirrors.flatMap((name) => mirrorPlaces(join(at, name)))];
    await addLeftovers(found, dataDirectory, places, { organizationId });
  }
  const isBuild = (name: string) => name.startsWith('build-');
  const others = [
    { at: 'images', isScratch: isBuild },
    { at: removedDirectory, isScratch: () => true },
  ];
  await addLeftovers(found, dataDirectory, others, {});
  return found;
}

interface Place {
  /** Below the data directory. */
  at: string;
  isScratch(name: string): boolean;
  isSandboxes?: boolean;
}

const isNew = (name: string) => /\.(?:new|tmp|part)$/.test(name);

function sessionPlaces(sessionId: string): Place[] {
  const at = join('sessions', sessionId);
  return [
    { at, isScratch: (name) => isNew(name) || name === 'fetched.bundle' },
    { at: join(at, 'bundles'), isScratch: isNew },
    { at: join(at, 'results'), isScratch: isNew },
    { at: join(at, 'checkpoints'), isScratch: (name) => name.startsWith(setAsidePrefix), isSandboxes: true },
  ];
}

function mirrorPlaces(at: string): Place[] {
  return [
    { at, isScratch: (name) => isNew(name) || name.startsWith('worktrail-bundle-') },
    { at: join(at, 'objects', 'pack'), isScratch: (name) => /^\.?tmp[-_]/.test(name) },
  ];
}

async function addLeftovers(
  found: FoundObject[],
  dataDirectory: string,
  places: readonly Place[],
  owner: { sessionId?: string; organizationId?: string | null },
): Promise<void> {
  const { sessionId = null, organizationId = null } = owner;
  for (const { at, isScratch, isSandboxes = false } of places) {
    for (const name of (await namesIn(join(dataDirectory, at))).filter(isScratch)) {
      const changedMs = await newestChangeMs(join(dataDirectory, at, name));
      if (changedMs === undefined) continue;
      const of = { organizationId, sessionId, changedMs, isSandboxes };
      found.push({ kind: 'leftover', name: join(at, name), ...of });
    }
  }
}

/** Of the thing itself and all in it; undefined where it has gone meanwhile. */
export async function newestChangeMs(path: string): Promise<number | undefined> {
  let newest: number | undefined;
  const waiting = [path];
  for (let count = 0; waiting.length > 0 && count < treeEntriesMax; count += 1) {
    const next = waiting.pop() as string;
    const found = await lstat(next).catch(undefinedWhenMissing);
    if (!found) continue;
    newest = Math.max(newest ?? 0, found.mtimeMs);
    if (found.isDirectory()) for (const name of await namesIn(next)) waiting.push(join(next, name));
  }
  return newest;
}

async function namesIn(path: string): Promise<string[]> {
  const names: string[] = [];
  const directory = await opendir(path).catch(undefinedWhenMissing);
  if (!directory) return names;
  for await (const { name } of directory) {
    names.push(name);
    if (names.length >= entriesMax) break;
  }
  return names;
}

function undefinedWhenMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error;
}
