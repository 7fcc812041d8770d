// What differs between two commits of a session, as a list and as a patch, out of a bare repository that has both.

import { type DiffFiles, diffFilesMax, diffPatchBytesMax } from '@worktrail/contract/session-files';
import { readChangedFiles } from '../checkpoints/changed-files.ts';
import { diffTree } from '../checkpoints/diff-tree.ts';
import type { StoreGit } from '../checkpoints/store-git.ts';

/** Some 100,000 files, with paths of ordinary length. */
const listBytesMax = 64 * 1024 ** 2;

export interface TreePair {
  from: string;
  to: string;
}

export async function readDiffFiles(git: StoreGit, { from, to }: TreePair, signal: AbortSignal): Promise<DiffFiles> {
  const options = { signal, stdoutBytesMax: listBytesMax, stdoutCut: true };
  const output = await diffTree(git, ['-z', '--raw', '--numstat', from, to], options);
  const changed = readChangedFiles(output);
  const files = changed.slice(0, diffFilesMax).map(({ path, oldPath, status, additions, deletions, binary }) => ({
    path,
    ...(oldPath !== '' && { oldPath }),
    ...{ status, additions, deletions, binary },
  }));
  return { files, truncated: changed.length > diffFilesMax || output.length >= listBytesMax };
}

/** As `git apply` takes it: with binary files and full ids. */
export async function readPatch(
  git: StoreGit,
  { from, to }: TreePair,
  signal: AbortSignal,
): Promise<{ patch: Buffer; truncated: boolean }> {
  const form = ['-p', '--binary', '--full-index', '--no-color', '--no-ext-diff', '--no-textconv'];
  const options = { signal, stdoutBytesMax: diffPatchBytesMax + 1, stdoutCut: true };
  return cutPatch(await diffTree(git, [...form, from, to], options), diffPatchBytesMax);
}

const patchMarker = (bytesMax: number) =>
  `# The patch ends here, at its limit of ${bytesMax / 1024 ** 2} MiB: files that would follow are not in it.\n`;

/**
 * What is longer than `bytesMax` is cut before the file that goes over it, and says so in a line that `git apply` passes over. No line of
 * a file's own begins as the header of a file does: those of text begin with one of " +-\\", those of a binary one hold no space.
 */
export function cutPatch(patch: Buffer, bytesMax: number): { patch: Buffer; truncated: boolean } {
  if (patch.length <= bytesMax) return { patch, truncated: false };
  const header = patch.lastIndexOf('\ndiff --git ', bytesMax - 1);
  const kept = header < 0 ? Buffer.alloc(0) : patch.subarray(0, header + 1);
  return { patch: Buffer.concat([kept, Buffer.from(patchMarker(bytesMax))]), truncated: true };
}
