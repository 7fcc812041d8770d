// What several sessions have changed, file by file: read from their diffs, and put together by the file that they began with.
//
// 1. Every file that a session lists is there, with its hunks or with the reason why it has none.
// 2. A file that one session has renamed stands where the others have it under its old name.

import type { Diff, DiffFile } from '@worktrail/client';
import { parsePatch } from 'diff';

export interface Hunk {
  /** Of the first line that it is about, counted from 1; where it has no old lines, of the one that they would stand before. */
  oldStart: number;
  oldLines: number;
  newStart: number;
  newLines: number;
  /** Each begins with one of " +-\". */
  lines: string[];
}

export interface FileChange extends DiffFile {
  hunks: Hunk[];
  /** Why its lines are not shown. */
  without: 'binary' | 'patch_cut' | 'unreadable' | null;
}

export interface ComparedFile {
  /** As all sessions began with it, or as those call it that have added it. */
  path: string;
  /** One for each session, in their order. */
  changes: (FileChange | null)[];
}

export function readChanges({ files, patch, truncated }: Pick<Diff, 'files' | 'patch' | 'truncated'>): FileChange[] {
  const sections = patchSections(patch);
  return files.map((file, index) => ({ ...file, ...readSection(file, sections[index], truncated) }));
}

/** The files of the list, in its order: no line of a file's content begins as this header does. One whose type has changed has two patches. */
function patchSections(patch: string): string[] {
  const sections: string[] = [];
  for (const section of patch.split(/(?<=^|\n)(?=diff --git )/)) {
    if (!section.startsWith('diff --git ')) continue;
    const previous = sections.at(-1);
    if (previous !== undefined && headerOf(previous) === headerOf(section)) sections[sections.length - 1] += section;
    else sections.push(section);
  }
  return sections;
}

const headerOf = (section: string) => section.slice(0, section.indexOf('\n'));

function readSection(
  file: DiffFile,
  section: string | undefined,
  truncated: boolean,
): Pick<FileChange, 'hunks' | 'without'> {
  if (file.binary) return { hunks: [], without: 'binary' };
  if (section === undefined) return { hunks: [], without: truncated ? 'patch_cut' : 'unreadable' };
  let hunks: Hunk[];
  try {
    hunks = parsePatch(section).flatMap((patch) => patch.hunks);
  } catch {
    return { hunks: [], without: 'unreadable' };
  }
  const count = (sign: string) =>
    hunks.reduce((sum, { lines }) => sum + lines.filter((line) => line.startsWith(sign)).length, 0);
  // The list and the patch are counted by two runs of git: where they do not agree, these are not the lines of this file.
  const agrees = count('+') === file.additions && count('-') === file.deletions;
  return agrees ? { hunks, without: null } : { hunks: [], without: 'unreadable' };
}

/** In the order of their paths. */
export function compareFiles(sessions: readonly (readonly FileChange[])[]): ComparedFile[] {
  const files = new Map<string, ComparedFile>();
  sessions.forEach((changes, index) => {
    for (const change of changes) {
      const place = (path: string) => {
        const file = files.get(path) ?? { path, changes: sessions.map(() => null) };
        files.set(path, file);
        return file;
      };
      const begun = place(change.oldPath ?? change.path);
      const file = begun.changes[index] === null ? begun : place(change.path);
      file.changes[index] = change;
    }
  });
  return [...files.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1));
}
