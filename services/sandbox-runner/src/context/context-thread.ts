// The beginning of a thread that makes indexes or searches them, as it was told to: see index-thread.ts for the other side.

import { randomUUID } from 'node:crypto';
import { buildIndex, type BuildRequest } from './index-building.ts';
import { createIndexSearching, type SearchRequest } from './index-searching.ts';
import { openRepositoryObjects } from './repository-objects.ts';
import { createSymbolParser } from './symbol-parser.ts';
import { serveThread } from './thread-serving.ts';

const searchMemoryBytesMax = 512 * 1024 * 1024;

const searching = createIndexSearching({
  openObjects: openRepositoryObjects,
  clock: Date.now,
  memoryBytesMax: searchMemoryBytesMax,
});
/** Grammars stay loaded from one commit to the next. */
const parser = createSymbolParser();

serveThread(async (kind, request, { signal, tell }) => {
  if (kind === 'search') return searching.search(request as SearchRequest, signal);
  const build = request as BuildRequest;
  const objects = openRepositoryObjects(build.repository);
  return buildIndex({ objects, parser, newId: randomUUID, onProgress: tell, signal }, build);
});
