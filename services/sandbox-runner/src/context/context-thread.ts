// The beginning of a thread that makes indexes or searches them, as it was told to: see index-thread.ts for the other side.

import { randomUUID } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import { buildIndex, type BuildRequest } from './index-building.ts';
import { createIndexSearching, type SearchRequest } from './index-searching.ts';
import type { ThreadAnswer, ThreadMessage } from './index-thread.ts';
import { openRepositoryObjects } from './repository-objects.ts';
import { createSymbolParser } from './symbol-parser.ts';

const searchMemoryBytesMax = 512 * 1024 * 1024;

const port = parentPort!;
const searching = createIndexSearching({
  openObjects: openRepositoryObjects,
  clock: Date.now,
  memoryBytesMax: searchMemoryBytesMax,
});
/** Grammars stay loaded from one commit to the next. */
const parser = createSymbolParser();
const underway = new Map<number, AbortController>();

async function work(id: number, kind: 'build' | 'search', request: unknown, signal: AbortSignal): Promise<unknown> {
  if (kind === 'search') return searching.search(request as SearchRequest, signal);
  const build = request as BuildRequest;
  return buildIndex(
    {
      objects: openRepositoryObjects(build.repository),
      parser,
      newId: randomUUID,
      onProgress: (progress) => port.postMessage({ id, progress } satisfies ThreadAnswer),
      signal,
    },
    build,
  );
}

port.on('message', (message: ThreadMessage) => {
  const { id } = message;
  if (message.kind === 'cancel') {
    underway.get(id)?.abort();
    return;
  }
  const canceling = new AbortController();
  underway.set(id, canceling);
  work(id, message.kind, message.request, canceling.signal)
    .then(
      (result): ThreadAnswer => ({ id, result }),
      (error: unknown): ThreadAnswer => ({ id, failure: error instanceof Error ? error.message : String(error) }),
    )
    .then((answer) => {
      underway.delete(id);
      port.postMessage(answer);
    })
    .catch((error: unknown) => {
      throw error;
    });
});
