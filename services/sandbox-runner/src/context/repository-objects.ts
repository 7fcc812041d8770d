// What a commit consists of, read from a mirror: its files' paths and blobs, and the bytes of blobs.

import { checkObjects } from '../checkpoints/session-store.ts';
import { shownPath } from '../checkpoints/shown-path.ts';
import { createStoreGit, type StoreGit } from '../checkpoints/store-git.ts';
import { readTreeEntries } from '../files/tree-files.ts';
import { startAsChild } from '../host/program-start.ts';
import { reasonOfPath, type SkipReason } from './indexed-paths.ts';
import { languageOf } from './languages.ts';

export interface TreeFile {
  /** As it is shown: see shown-path.ts. */
  path: string;
  blob: string;
  language: string | null;
  /** Why it is not indexed, whatever is in it; null: its content decides. */
  reason: SkipReason | null;
}

export interface RepositoryObjects {
  /** The first `treeFilesMax`; what comes after that is `over_limit`. */
  listFiles(commit: string, signal: AbortSignal): Promise<TreeFile[]>;
  /** Sizes; undefined for what is not there. */
  sizes(blobs: readonly string[], signal: AbortSignal): Promise<(number | undefined)[]>;
  /** Each one's content, in this order, as fast as it is taken. What is not there is left out. */
  readBlobs(
    blobs: readonly string[],
    take: (blob: string, content: Buffer) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void>;
}

export const treeFilesMax = 200_000;
const treeBytesMax = 64 * 1024 * 1024;
const askedAtOnceMax = 10_000;

/** For a thread of its own, which starting a child holds up. @param path of a bare repository that only the runner writes to */
export function openRepositoryObjects(path: string): RepositoryObjects {
  const git = createStoreGit(path, startAsChild);
  return {
    async listFiles(commit, signal) {
      const args = ['ls-tree', '-r', '-z', '--full-tree', '--end-of-options', commit];
      const output = await git(args, { signal, stdoutBytesMax: treeBytesMax, stdoutCut: true });
      // Where it was cut the last entry is not whole.
      const entries = readTreeEntries(output.subarray(0, output.lastIndexOf(0) + 1));
      return entries.map(({ name, mode, id }, index): TreeFile => {
        const shown = shownPath(name);
        const reason = index < treeFilesMax ? reasonOf(mode, shown) : 'over_limit';
        return { path: shown, blob: id, language: languageOf(shown), reason };
      });
    },

    async sizes(blobs, signal) {
      const found: (number | undefined)[] = [];
      for (let from = 0; from < blobs.length; from += askedAtOnceMax) {
        const some = await checkObjects(git, blobs.slice(from, from + askedAtOnceMax), signal);
        found.push(...some.map((one) => (one?.type === 'blob' ? one.bytes : undefined)));
      }
      return found;
    },

    readBlobs: (blobs, take, signal) => readBlobs(git, blobs, take, signal),
  };
}

function reasonOf(mode: string, path: string): SkipReason | null {
  if (mode === '120000') return 'link';
  if (mode === '160000') return 'submodule';
  return reasonOfPath(path);
}

async function readBlobs(
  git: StoreGit,
  blobs: readonly string[],
  take: (blob: string, content: Buffer) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  if (blobs.length === 0) return;
  const reader = createBatchReader(take);
  const stdin = blobs.map((blob) => `${blob}\n`).join('');
  await git(['cat-file', '--batch'], { signal, stdin, stdout: { take: reader } });
}

/** Takes the output of `git cat-file --batch` in pieces as they come. */
export function createBatchReader(
  take: (blob: string, content: Buffer) => Promise<void>,
): (chunk: Buffer) => Promise<void> {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  /** Of what comes next: a head, or a content and its line end. */
  let current: { blob: string; bytes: number } | undefined;
  const join = (): Buffer => {
    const whole = pending.length === 1 ? pending[0]! : Buffer.concat(pending);
    pending = [whole];
    return whole;
  };
  const drop = (whole: Buffer, bytes: number) => {
    pending = whole.length > bytes ? [whole.subarray(bytes)] : [];
    pendingBytes -= bytes;
  };
  return async (chunk) => {
    pending.push(chunk);
    pendingBytes += chunk.length;
    for (;;) {
      if (!current) {
        const whole = pendingBytes > 0 ? join() : Buffer.alloc(0);
        const end = whole.indexOf(10);
        if (end < 0) return;
        const head = whole.toString('latin1', 0, end);
        drop(whole, end + 1);
        const [, blob, bytes] = /^([0-9a-f]{40,64}) blob (\d+)$/.exec(head) ?? [];
        if (blob !== undefined) current = { blob, bytes: Number(bytes) };
        else if (!/^[0-9a-f]{40,64} missing$/.test(head)) throw new Error('git cat-file printed something unexpected');
      } else {
        if (pendingBytes < current.bytes + 1) return;
        const whole = join();
        const { blob, bytes } = current;
        current = undefined;
        const content = whole.subarray(0, bytes);
        drop(whole, bytes + 1);
        await take(blob, content);
      }
    }
  };
}
