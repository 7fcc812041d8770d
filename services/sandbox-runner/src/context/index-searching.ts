// Searches repositories' indexes, with those that were used last open in memory.
//
// What another process or thread writes beside it is seen at the next search. A damaged segment is removed, and what it held is missing.

import { utimesSync } from 'node:fs';
import type { ContextHit } from '@worktrail/contract/context';
import { type CommitView, createCommitView } from './commit-view.ts';
import type { RepositoryObjects, TreeFile } from './repository-objects.ts';
import { openNamedSegment, removeSegment, segmentNames } from './segment-files.ts';
import type { Segment } from './segment.ts';
import { SegmentDamaged } from './segment-format.ts';
import { searchView, type ViewQuery } from './view-search.ts';

export interface SearchRequest extends ViewQuery {
  /** Of the mirror. */
  repository: string;
  directory: string;
  commit: string;
}

export interface SearchResult {
  hits: ContextHit[];
  files: number;
  indexed: number;
  skipped: Record<string, number>;
  /** Files that are not indexed yet. */
  missing: number;
}

export interface IndexSearchingDeps {
  openObjects: (repository: string) => RepositoryObjects;
  clock: () => number;
  memoryBytesMax: number;
}

interface OpenIndex {
  segments: Map<string, Segment>;
  /** By commit, the one used last at the end. */
  commits: Map<string, { files: TreeFile[]; names: string; view: CommitView }>;
  touchedMs: number;
}

const commitsMax = 16;
const touchEveryMs = 60_000;
const damagedMax = 8;
/** Of memory, for each file of a commit. */
const bytesPerFile = 512;

export interface IndexSearching {
  search(request: SearchRequest, signal: AbortSignal): Promise<SearchResult>;
}

export function createIndexSearching({ openObjects, clock, memoryBytesMax }: IndexSearchingDeps): IndexSearching {
  const indexes = new Map<string, OpenIndex>();

  function recall(directory: string): OpenIndex {
    const index = indexes.get(directory) ?? { segments: new Map(), commits: new Map(), touchedMs: 0 };
    indexes.delete(directory);
    indexes.set(directory, index);
    return index;
  }

  /** Those of the directory, as it is now. */
  function refresh(directory: string, index: OpenIndex): void {
    const names = segmentNames(directory);
    for (const [name, segment] of index.segments) {
      if (names.includes(name)) continue;
      segment.close();
      index.segments.delete(name);
    }
    for (const name of names) {
      if (index.segments.has(name)) continue;
      const segment = openNamedSegment(directory, name);
      if (segment) index.segments.set(name, segment);
    }
  }

  function viewOf({ directory, commit }: SearchRequest, index: OpenIndex, files: TreeFile[]): CommitView {
    refresh(directory, index);
    const names = [...index.segments.keys()].join();
    let known = index.commits.get(commit);
    if (known?.names !== names) {
      known = { files, names, view: createCommitView(files, [...index.segments.values()]) };
    }
    index.commits.delete(commit);
    index.commits.set(commit, known);
    const [oldest] = index.commits.keys();
    if (index.commits.size > commitsMax) index.commits.delete(oldest!);
    return known.view;
  }

  function makeRoom(): void {
    const bytes = new Map([...indexes].map(([directory, index]) => [directory, bytesOf(index)]));
    let total = bytes.values().reduce((sum, one) => sum + one, 0);
    for (const [directory, index] of indexes) {
      if (total <= memoryBytesMax || indexes.size === 1) return;
      for (const segment of index.segments.values()) segment.close();
      indexes.delete(directory);
      total -= bytes.get(directory)!;
    }
  }

  return {
    async search(request, signal) {
      const { directory, repository, commit } = request;
      const known = recall(directory).commits.get(commit)?.files;
      const files = known ?? (await openObjects(repository).listFiles(commit, signal));
      // From here on to the answer without a wait: nothing is closed meanwhile.
      for (let attempt = 1; ; attempt++) {
        const index = recall(directory);
        const view = viewOf(request, index, files);
        try {
          const hits = searchView(view, request);
          if (clock() - index.touchedMs > touchEveryMs) {
            index.touchedMs = clock();
            touch(directory);
          }
          makeRoom();
          const { indexed, skipped, missing } = view;
          return { hits, files: view.files.length, indexed, skipped, missing: missing.length };
        } catch (error) {
          if (!(error instanceof SegmentDamaged) || attempt === damagedMax) throw error;
          removeDamaged(directory, index);
        }
      }
    },
  };
}

/** Every text is read: it is seldom. */
function removeDamaged(directory: string, index: OpenIndex): void {
  for (const [name, segment] of index.segments) {
    try {
      for (let file = 0; file < segment.index.head.files; file++) segment.compressedText(file);
    } catch (error) {
      if (!(error instanceof SegmentDamaged)) throw error;
      removeSegment(directory, name);
    }
  }
}

function bytesOf({ segments, commits }: OpenIndex): number {
  const ofSegments = segments.values().reduce((sum, { bytes }) => sum + bytes, 0);
  return ofSegments + commits.values().reduce((sum, { files }) => sum + files.length * bytesPerFile, 0);
}

/** What was used last is kept longest: see index-space.ts. */
function touch(directory: string): void {
  try {
    utimesSync(directory, new Date(), new Date());
  } catch {
    // There is none yet.
  }
}
