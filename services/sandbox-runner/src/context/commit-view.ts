// A commit as segments show it: at which of its paths each of their files lies. Nothing of it is stored: a blob that no segment has is one
// that is not indexed yet, whatever happened to the process that was to do it.

import { termsOf } from './code-tokens.ts';
import type { TreeFile } from './repository-objects.ts';
import { fileKey, type Segment } from './segment.ts';
import { chunkField, chunkFields, fileField, fileFields } from './segment-format.ts';

export interface ViewSegment {
  segment: Segment;
  /** By file of the segment: a number in `files`, and -1 where the commit does not have it. Further paths are in `nextPath`. */
  firstPath: Int32Array;
}

export interface CommitView {
  files: readonly TreeFile[];
  segments: readonly ViewSegment[];
  /** By number in `files`: another path of the same blob in the same language, else -1. */
  nextPath: Int32Array;
  /** Of the commit's chunks. */
  chunks: number;
  termsPerChunk: number;
  /** What no segment has, a path of each. */
  missing: TreeFile[];
  skipped: Record<string, number>;
  indexed: number;
  /** By number in `files`: the segment and file that has it; -1 where none does. */
  place: { segment: Int32Array; file: Int32Array };
  /** Term → numbers in `files` whose path has it; made when first asked for. */
  pathTerms: () => Map<string, number[]>;
}

export function createCommitView(files: readonly TreeFile[], segments: readonly Segment[]): CommitView {
  const nextPath = new Int32Array(files.length).fill(-1);
  const place = { segment: new Int32Array(files.length).fill(-1), file: new Int32Array(files.length) };
  const firstOf = new Map<string, number>();
  const skipped: Record<string, number> = {};
  const skip = (reason: string) => {
    skipped[reason] = (skipped[reason] ?? 0) + 1;
  };
  for (let number = files.length - 1; number >= 0; number--) {
    const { blob, language, reason } = files[number]!;
    if (reason !== null) {
      skip(reason);
      continue;
    }
    const key = fileKey(blob, language);
    nextPath[number] = firstOf.get(key) ?? -1;
    firstOf.set(key, number);
  }
  const left = new Map(firstOf);
  let chunks = 0;
  let terms = 0;
  let indexed = 0;
  const viewed = segments.map((segment, segmentNumber): ViewSegment => {
    const { head, fileTable, chunkTable } = segment.index;
    const firstPath = new Int32Array(head.files).fill(-1);
    for (let file = 0; file < head.files; file++) {
      const key = segment.key(file);
      const first = left.get(key);
      if (first === undefined) continue;
      left.delete(key);
      firstPath[file] = first;
      const reason = head.reasons[fileTable[file * fileFields + fileField.reason]!]!;
      for (let path = first; path >= 0; path = nextPath[path]!) {
        place.segment[path] = segmentNumber;
        place.file[path] = file;
        if (reason === '') indexed += 1;
        else skip(reason);
      }
    }
    for (let at = 0; at < chunkTable.length; at += chunkFields) {
      if (firstPath[chunkTable[at + chunkField.file]!]! < 0) continue;
      chunks += 1;
      terms += chunkTable[at + chunkField.terms]!;
    }
    return { segment, firstPath };
  });
  let pathTerms: Map<string, number[]> | undefined;
  return {
    ...{ files, segments: viewed, nextPath, chunks, skipped, indexed, place },
    termsPerChunk: chunks === 0 ? 0 : terms / chunks,
    missing: [...left.values()].map((number) => files[number]!),
    pathTerms: () => (pathTerms ??= indexPaths(files)),
  };
}

function indexPaths(files: readonly TreeFile[]): Map<string, number[]> {
  const found = new Map<string, number[]>();
  for (const [number, { path, reason }] of files.entries()) {
    if (reason !== null && reason !== 'binary') continue;
    for (const term of new Set(termsOf(path))) {
      const numbers = found.get(term);
      if (numbers) numbers.push(number);
      else found.set(term, [number]);
    }
  }
  return found;
}
