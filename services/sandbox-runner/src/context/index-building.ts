// Brings a repository's index to a commit: what of it no segment has is read from the mirror and written as new segments.
//
// 1. What it costs is what the commit has that no other had. What was written is kept, wherever it stops.
// 2. A file is in memory by itself, and a segment while it is made, which is bounded (segment-builder.ts).
// 3. Segments stay few: small ones are put together. When most of what they hold is of none of `keptCommits`, all are written anew without it.

import { reasonOfContent, indexedFileBytesMax } from './indexed-paths.ts';
import type { RepositoryObjects, TreeFile } from './repository-objects.ts';
import { createCommitView } from './commit-view.ts';
import { createSegmentBuilder, type IndexedFile, type SegmentBuilder } from './segment-builder.ts';
import { openNamedSegment, removeSegment, segmentNames, writeSegment } from './segment-files.ts';
import { fileKey, type Segment } from './segment.ts';
import { SegmentDamaged } from './segment-format.ts';
import type { SymbolParser } from './symbol-parser.ts';

export interface BuildRequest {
  /** Of the mirror. */
  repository: string;
  directory: string;
  commit: string;
  /** Searched lately: what they have is kept. */
  keptCommits: readonly string[];
  /** Blobs that are indexed without their symbols. */
  plainBlobs: readonly string[];
}

export interface BuildProgress {
  done: number;
  of: number;
  /** What is looked at next. */
  blob: string | null;
}

export interface BuildResult {
  files: number;
  /** Indexed now. */
  added: number;
  contentBytes: number;
  withoutSymbols: number;
  segments: number;
}

export interface BuildDeps {
  objects: RepositoryObjects;
  parser: SymbolParser;
  newId: () => string;
  onProgress: (progress: BuildProgress) => void;
  signal: AbortSignal;
}

/** One below this is put together with others. */
const smallFiles = 500;
const smallSegmentsMax = 8;
/** More than this many times what is kept: without the rest. */
const deadTimesMax = 3;
const deadFilesMin = 2_000;

export async function buildIndex(deps: BuildDeps, request: BuildRequest): Promise<BuildResult> {
  const { directory, commit } = request;
  deps.parser.begin();
  const files = await deps.objects.listFiles(commit, deps.signal);
  const before = openAll(directory);
  const { missing } = createCommitView(files, [...before.values()]);
  for (const segment of before.values()) segment.close();
  const { contentBytes } = await addMissing(deps, request, missing);
  await tidy(deps, request, files);
  const segments = segmentNames(directory).length;
  const withoutSymbols = deps.parser.failed();
  return { files: files.length, added: missing.length, contentBytes, withoutSymbols, segments };
}

async function addMissing(deps: BuildDeps, request: BuildRequest, missing: readonly TreeFile[]) {
  const { objects, parser, signal, newId, onProgress } = deps;
  const { directory } = request;
  const plain = new Set(request.plainBlobs);
  let builder = createSegmentBuilder();
  let contentBytes = 0;
  let done = 0;
  const flush = () => {
    contentBytes += builder.contentBytes();
    if (builder.files() > 0) writeSegment(directory, newId(), builder.encode());
    builder = createSegmentBuilder();
  };
  const add = (file: IndexedFile) => {
    builder.add(file);
    done += 1;
    if (builder.isFull()) flush();
  };
  const sizes = await objects.sizes(
    missing.map(({ blob }) => blob),
    signal,
  );
  const readable: TreeFile[] = [];
  for (const [index, { blob, language }] of missing.entries()) {
    const bytes = sizes[index];
    if (bytes !== undefined && bytes <= indexedFileBytesMax) readable.push(missing[index]!);
    else
      add({
        blob,
        language,
        bytes: bytes ?? 0,
        reason: bytes === undefined ? 'absent' : 'too_large',
        text: '',
        symbols: [],
      });
  }
  // One blob may be wanted in several languages: it comes as often.
  let next = 0;
  const take = async (blob: string, content: Buffer) => {
    while (readable[next]!.blob !== blob) next += 1;
    const { language } = readable[next++]!;
    onProgress({ done, of: missing.length, blob });
    const reason = reasonOfContent(content);
    const text = reason === null ? content.toString('utf8') : '';
    const symbols = reason === null && !plain.has(blob) ? await parser.symbolsOf(language, text) : [];
    add({ blob, language, bytes: content.length, reason, text, symbols });
  };
  await objects.readBlobs(
    readable.map(({ blob }) => blob),
    take,
    signal,
  );
  flush();
  onProgress({ done, of: missing.length, blob: null });
  return { contentBytes };
}

async function tidy(deps: BuildDeps, request: BuildRequest, files: readonly TreeFile[]): Promise<void> {
  const { directory, keptCommits, commit } = request;
  const open = openAll(directory);
  try {
    const total = [...open.values()].reduce((sum, { index }) => sum + index.head.files, 0);
    if (total > deadFilesMin && total > deadTimesMax * files.length) {
      const kept = keysOf(files);
      for (const other of keptCommits) {
        if (other === commit) continue;
        const found = await deps.objects.listFiles(other, deps.signal).catch(() => []);
        for (const key of keysOf(found)) kept.add(key);
      }
      if (total > deadTimesMax * kept.size) return putTogether(deps, directory, open, (key) => kept.has(key));
    }
    const small = new Map([...open].filter(([, { index }]) => index.head.files < smallFiles));
    if (small.size > smallSegmentsMax) putTogether(deps, directory, small, () => true);
  } finally {
    for (const segment of open.values()) segment.close();
  }
}

function keysOf(files: readonly TreeFile[]): Set<string> {
  return new Set(files.filter(({ reason }) => reason === null).map(({ blob, language }) => fileKey(blob, language)));
}

/** What takes their place is there before they go. Each file once. */
function putTogether(
  { newId }: BuildDeps,
  directory: string,
  segments: ReadonlyMap<string, Segment>,
  isKept: (key: string) => boolean,
): void {
  const taken = new Set<string>();
  let builder: SegmentBuilder = createSegmentBuilder();
  const done: string[] = [];
  const flush = () => {
    if (builder.files() > 0) writeSegment(directory, newId(), builder.encode());
    builder = createSegmentBuilder();
    for (const name of done.splice(0)) removeSegment(directory, name);
  };
  for (const [name, segment] of segments) {
    try {
      builder.addSegment(segment, (file) => {
        const key = segment.key(file);
        if (!isKept(key) || taken.has(key)) return false;
        taken.add(key);
        return true;
      });
    } catch (error) {
      // The builder has a part of it: nothing is changed but that the damaged one goes.
      if (!(error instanceof SegmentDamaged)) throw error;
      removeSegment(directory, name);
      return;
    }
    done.push(name);
    if (builder.isFull()) flush();
  }
  flush();
}

function openAll(directory: string): Map<string, Segment> {
  const found = new Map<string, Segment>();
  for (const name of segmentNames(directory)) {
    const segment = openNamedSegment(directory, name);
    if (segment) found.set(name, segment);
  }
  return found;
}
