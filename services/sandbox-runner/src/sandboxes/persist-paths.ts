// `environment.persist`: which paths of a session's volumes they mean, and which of those may be read on the host.
//
// A path cannot leave its volume: not by "..", and not by a link that what ran in the sandbox put in its way.

import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { homePath, workspacePath } from '@worktrail/contract/environment-variables';

export type VolumeName = 'workspace' | 'home';

export interface PersistPath {
  volume: VolumeName;
  /** Its components inside the volume; none: the whole volume. */
  components: string[];
}

/** Relative to the work tree, below "~/", or absolute in one of both. Undefined where it is none of that. */
export function parsePersistPath(text: string): PersistPath | undefined {
  const path = text.replace(/^~(?=\/|$)/, homePath);
  const absolute = path.startsWith('/') ? path : `${workspacePath}/${path}`;
  const components = absolute.split('/').filter((part) => part !== '' && part !== '.');
  if (text === '' || text.includes('\0') || components.includes('..')) return undefined;
  for (const [volume, root] of roots) {
    const top = root.split('/').filter((part) => part !== '');
    if (top.every((part, index) => components[index] === part))
      return { volume, components: components.slice(top.length) };
  }
  return undefined;
}

const roots = [
  ['workspace', workspacePath],
  ['home', homePath],
] as const;

/** The path on the host, after all directories on the way to it; undefined where there is nothing, or a link in place of one of them. */
export async function findPersistPath(root: string, { components }: PersistPath): Promise<string[] | undefined> {
  const found = [root];
  for (const component of components) {
    const path = join(found.at(-1)!, component);
    const above = await lstat(found.at(-1)!).catch(undefinedWhenMissing);
    if (!above?.isDirectory()) return undefined;
    found.push(path);
  }
  return (await lstat(found.at(-1)!).catch(undefinedWhenMissing)) && found;
}

function undefinedWhenMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error;
}
