// Files of a session as a commit has them, out of a bare repository that has it.
//
// A symlink is never followed, on the way to a file or at its end: whoever asks is told that there is one.

import { WorktrailError } from '@worktrail/contract/errors';
import type { FileItem, FileListing } from '@worktrail/contract/session-files';
import { checkObjects } from '../checkpoints/session-store.ts';
import { shownPath } from '../checkpoints/shown-path.ts';
import type { StoreGit } from '../checkpoints/store-git.ts';
import { fileProblem } from './file-problem.ts';
import { pageOfNames } from './name-page.ts';

const directoryBytesMax = 64 * 1024 ** 2;

export interface TreeEntry {
  name: Buffer;
  mode: string;
  id: string;
}

/** `output`: of `git ls-tree -z`. */
export function readTreeEntries(output: Buffer): TreeEntry[] {
  const entries: TreeEntry[] = [];
  for (let start = 0; start < output.length; ) {
    const end = output.indexOf(0, start);
    const record = output.subarray(start, end < 0 ? output.length : end);
    const head = /^(\d{6}) [a-z]+ ([0-9a-f]{40,64})\t/.exec(record.toString('latin1', 0, 100));
    if (!head) throw new Error('git ls-tree printed something unexpected');
    entries.push({ mode: head[1]!, id: head[2]!, name: record.subarray(head[0].length) });
    start += record.length + 1;
  }
  return entries;
}

/** @throws not_found, conflict for what is no directory */
export async function listTree(
  git: StoreGit,
  commit: string,
  where: { path: string; limit: number; after: string | null },
  signal: AbortSignal,
): Promise<FileListing> {
  const entry = where.path === '' ? root(commit) : await findEntry(git, commit, where.path, signal);
  if (typeOf(entry.mode) !== 'directory') throw fileProblem(where.path, where.path, problemOf(entry.mode, 'list'));
  const listed = await git(['ls-tree', '-z', entry.id], { signal, stdoutBytesMax: directoryBytesMax });
  const { page, next } = pageOfNames(readTreeEntries(listed), where);
  const blobs = page.filter(({ mode }) => typeOf(mode) !== 'directory' && typeOf(mode) !== 'submodule');
  const found =
    blobs.length === 0
      ? []
      : await checkObjects(
          git,
          blobs.map(({ id }) => id),
          signal,
        );
  const sizes = new Map(blobs.map(({ id }, index) => [id, found[index]?.bytes ?? null]));
  const items = page.map(({ name, mode, id }): FileItem => {
    const shown = shownPath(name);
    return {
      name: shown,
      path: where.path === '' ? shown : `${where.path}/${shown}`,
      type: typeOf(mode),
      size: sizes.get(id) ?? null,
      executable: mode === '100755',
    };
  });
  return { items, next };
}

/** The blob of a file. @throws not_found, conflict for what is no file */
export async function findFile(
  git: StoreGit,
  commit: string,
  path: string,
  signal: AbortSignal,
): Promise<{ id: string; bytes: number }> {
  const entry = await findEntry(git, commit, path, signal);
  if (typeOf(entry.mode) !== 'file') throw fileProblem(path, path, problemOf(entry.mode, 'read'));
  const [found] = await checkObjects(git, [entry.id], signal);
  if (found?.type !== 'blob') throw new WorktrailError('internal', `the content of ${path} is not stored`);
  return { id: found.id, bytes: found.bytes };
}

/** Gives the bytes from `offset` on to `take`, `length` of them. */
export async function readBlob(
  git: StoreGit,
  id: string,
  { offset, length }: { offset: number; length: number },
  take: (chunk: Buffer) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  if (length === 0) return;
  const enough = new Error('enough was read');
  let at = 0;
  const takePart = async (chunk: Buffer) => {
    const part = chunk.subarray(Math.max(0, offset - at), Math.max(0, offset + length - at));
    at += chunk.length;
    if (part.length > 0) await take(part);
    if (at >= offset + length) throw enough;
  };
  try {
    await git(['cat-file', 'blob', id], { signal, stdout: { take: takePart } });
  } catch (error) {
    if (error !== enough) throw error;
  }
}

/** One part of the path after the other, so that what is not a directory on the way is seen. */
async function findEntry(git: StoreGit, commit: string, path: string, signal: AbortSignal): Promise<TreeEntry> {
  const parts = path.split('/');
  let entry = root(commit);
  for (const [index, part] of parts.entries()) {
    const reached = parts.slice(0, index).join('/');
    if (index > 0 && typeOf(entry.mode) !== 'directory') {
      throw fileProblem(path, reached, problemOf(entry.mode, 'enter'));
    }
    const listed = await git(['--literal-pathspecs', 'ls-tree', '-z', entry.id, '--', part], { signal });
    const found = readTreeEntries(listed).find(({ name }) => name.equals(Buffer.from(part, 'utf8')));
    if (!found) throw fileProblem(path, path, 'missing');
    entry = found;
  }
  return entry;
}

function root(commit: string): TreeEntry {
  return { name: Buffer.alloc(0), mode: '040000', id: commit };
}

function typeOf(mode: string): FileItem['type'] {
  if (mode === '040000') return 'directory';
  if (mode === '120000') return 'symlink';
  return mode === '160000' ? 'submodule' : 'file';
}

function problemOf(mode: string, to: 'list' | 'read' | 'enter') {
  const type = typeOf(mode);
  if (type === 'symlink' || type === 'submodule') return type;
  if (type === 'directory') return 'directory';
  return to === 'enter' ? 'missing' : 'file';
}
