// A session's files as a gateway asks a runner for them (the runner's internal HTTP API, below `sessions/{sessionId}/`).

import type { CheckpointRef } from './checkpoints.ts';
import type { RepositoryRef } from './environment.ts';

/** Where a session's files are to be found, whichever runner is asked. */
export interface SessionFilesRef {
  organizationId: string;
  /** Its credential for the repository is used, where it has one. */
  projectId: string;
  sessionId: string;
  /** As the session's document shows it: another one's sandbox is not read. */
  generation: number;
  repository: RepositoryRef;
  baseCommit: string;
  /** Names of the session's artifacts, as in its document. */
  artifacts: readonly string[];
}

/** The work tree of a checkpoint; null: of the base commit. */
export type TreeRef = CheckpointRef | null;

/** POST diff/files → DiffFiles, POST diff/patch → the patch; header `diffTruncatedHeader` where it is cut. */
export interface DiffRequest {
  session: SessionFilesRef;
  from: TreeRef;
  to: TreeRef;
}

export interface DiffFile {
  path: string;
  oldPath?: string;
  status: 'added' | 'modified' | 'deleted' | 'renamed' | 'mode_changed';
  additions: number;
  deletions: number;
  binary: boolean;
}

export interface DiffFiles {
  files: DiffFile[];
  /** There are more than `diffFilesMax`. */
  truncated: boolean;
}

export const diffFilesMax = 100_000;
export const diffPatchBytesMax = 5 * 1024 * 1024;
export const diffTruncatedHeader = 'x-worktrail-truncated';

/** POST files/list → FileListing. */
export interface FileListRequest {
  session: SessionFilesRef;
  /** Read the sandbox, if it is open there; else, or without that, `at`. */
  live: boolean;
  at: TreeRef;
  /** '' is the work tree itself. */
  path: string;
  limit: number;
  /** `next` of the page before. */
  after: string | null;
}

export interface FileListing {
  items: FileItem[];
  next: string | null;
}

export interface FileItem {
  name: string;
  path: string;
  type: 'file' | 'directory' | 'symlink' | 'submodule';
  /** null where it has none of its own. */
  size: number | null;
  executable: boolean;
}

/** POST files/read → bytes of the file, from `offset` (negative: from the end), at most `length`; and the headers below. */
export interface FileReadRequest {
  session: SessionFilesRef;
  live: boolean;
  at: TreeRef;
  path: string;
  offset: number;
  length: number;
}

export const fileHeaders = {
  /** Of the whole file. */
  size: 'x-worktrail-size',
  /** Where the bytes begin, and how many they are. */
  offset: 'x-worktrail-offset',
  length: 'x-worktrail-length',
  /** Of the content, as git names it; absent where the file is over `fileBytesMax`. */
  blob: 'x-worktrail-blob',
} as const;

/** Of both: "live", the id of a checkpoint, or "base". */
export const readAtHeader = 'x-worktrail-at';

/** So much of a file at once. */
export const fileBytesMax = 100 * 1024 * 1024;

/** PUT contents/{changeId}?organizationId= → StoredArtifact: the content of a file that is to be written, as it is. */
export const fileWriteBytesMax = 10 * 1024 * 1024;

const pathBytesMax = 4_096;
const nameBytesMax = 255;

/**
 * Why this is no path of something in a work tree; null when it is one. No part of it is empty, `.`, `..` or `.git`, so that by itself it
 * never leads out, or into a repository's own directory. `.GIT` is no name for git either: no commit and no checkpoint would have it.
 */
export function workTreePathProblem(path: string): string | null {
  if (path === '') return 'must not be empty';
  if (path.startsWith('/')) return 'must be relative to the work tree';
  if (path.includes('\0') || !path.isWellFormed()) return 'must be well-formed text without NUL';
  if (utf8Bytes(path) > pathBytesMax) return `is over ${pathBytesMax} bytes`;
  for (const part of path.split('/')) {
    if (part === '') return 'has an empty part';
    if (part === '.' || part === '..') return `must not have the part "${part}"`;
    if (part.toLowerCase() === '.git') return 'leads into .git, which is not part of the work tree';
    if (utf8Bytes(part) > nameBytesMax) return `has a part of over ${nameBytesMax} bytes`;
  }
  return null;
}

/** There is no encoder in a workflow. */
function utf8Bytes(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const point = character.codePointAt(0)!;
    bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  }
  return bytes;
}
