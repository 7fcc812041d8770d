// Objects of git's, written into a bare repository of the runner's own: as `git hash-object -w` does, without a process for each.

import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';

export interface NewCommit {
  tree: string;
  parents: string[];
  message: string;
  createdMs: number;
}

/** Answers the object's id, of the length of `ids` like it. The object appears whole. */
export async function writeObject(
  repository: string,
  like: string,
  type: 'blob' | 'tree' | 'commit',
  content: Buffer,
): Promise<string> {
  const bytes = Buffer.concat([Buffer.from(`${type} ${content.length}\0`), content]);
  const id = createHash(like.length === 64 ? 'sha256' : 'sha1')
    .update(bytes)
    .digest('hex');
  const directory = join(repository, 'objects', id.slice(0, 2));
  const path = join(directory, id.slice(2));
  if (existsSync(path)) return id;
  // A name that whoever cleans up after a git that was killed knows.
  const scratch = join(directory, `tmp_obj_${randomBytes(6).toString('hex')}`);
  await mkdir(directory, { recursive: true });
  try {
    await writeFile(scratch, deflateSync(bytes, { level: 1 }), { flag: 'wx', mode: 0o444 });
    await rename(scratch, path);
  } finally {
    await rm(scratch, { force: true });
  }
  return id;
}

/** A tree of one file. */
export function treeOf(name: string, blob: string): Buffer {
  return Buffer.concat([Buffer.from(`100644 ${name}\0`), Buffer.from(blob, 'hex')]);
}

/** `who`: "Name <address>" */
export function commitOf({ tree, parents, message, createdMs }: NewCommit, who: string): Buffer {
  const time = `${Math.floor(createdMs / 1000)} +0000`;
  const lines = [`tree ${tree}`, ...parents.map((parent) => `parent ${parent}`), `author ${who} ${time}`];
  return Buffer.from(`${[...lines, `committer ${who} ${time}`].join('\n')}\n\n${message}\n`);
}
