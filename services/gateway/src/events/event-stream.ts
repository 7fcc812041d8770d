// A session's feed as server-sent events.
//
// 1. `id:` the cursor, `event:` the type, `data:` the event as JSON; a comment at least every 15 s.
// 2. Nothing is produced before the client has taken what came before: the stream is pulled, by pieces of about `pieceBytes`.
// 3. Once open it does not end for a trace-store or NATS that is away: it goes on at the same cursor when they are back.

import type { Logger } from '@worktrail/runtime/log';
import { serverSentEvent } from './server-sent-event.ts';
import { type FeedBatch, type FeedDeps, type FeedOptions, openFeed } from './session-feed.ts';

export const pingIntervalMs = 15_000;
const retryDelayMs = 1_000;
const pieceBytes = 64 * 1024;

/** Resolves once the first page is there, so that a wrong cursor or a missing part is an ordinary error answer. */
export async function openEventStream(
  deps: FeedDeps,
  options: Omit<FeedOptions, 'signal'>,
  context: { signal: AbortSignal; log: Logger; onClose: () => void },
): Promise<ReadableStream<Uint8Array>> {
  const closed = new AbortController();
  const signal = AbortSignal.any([context.signal, closed.signal]);
  const batches = withRetries(deps, { ...options, signal }, context.log);
  const first = await batches.next();
  const pieces = serverSentEvents(first.done ? undefined : first.value, batches);
  const close = async () => {
    closed.abort();
    context.onClose();
    await batches.return();
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const next = await pieces.next();
        if (!next.done) return controller.enqueue(next.value);
        await close();
        controller.close();
      },
      cancel: close,
    },
    { highWaterMark: 0 },
  );
}

/** The first page's errors are the caller's; later ones are waited out. */
async function* withRetries(
  deps: FeedDeps,
  options: FeedOptions,
  log: Logger,
): AsyncGenerator<FeedBatch, void, undefined> {
  let cursor = options.after;
  let isOpen = false;
  while (!options.signal.aborted) {
    try {
      for await (const batch of openFeed(deps, { ...options, after: cursor })) {
        isOpen = true;
        cursor = batch.cursor;
        yield batch;
      }
    } catch (error) {
      if (!isOpen || cursor === undefined) throw error;
      log.warn({ reason: (error as Error).message, sessionId: options.scope.sessionId }, 'event stream waits');
      await new Promise((resolve) => setTimeout(resolve, retryDelayMs));
      yield { events: [], cursor, complete: false };
    }
  }
}

async function* serverSentEvents(
  first: FeedBatch | undefined,
  rest: AsyncGenerator<FeedBatch, void, undefined>,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  let writtenMs = Date.now();
  yield Buffer.from(`retry: ${retryDelayMs}\n\n`);
  for (let batch: FeedBatch | undefined = first; batch !== undefined; ) {
    if (batch.events.length > 0) {
      yield* piecesOf(batch);
      writtenMs = Date.now();
    } else if (Date.now() - writtenMs >= pingIntervalMs - 2_500) {
      yield Buffer.from(': ping\n\n');
      writtenMs = Date.now();
    }
    const next = await rest.next();
    batch = next.done ? undefined : next.value;
  }
}

function* piecesOf({ events }: FeedBatch): Generator<Uint8Array<ArrayBuffer>, void, undefined> {
  let piece: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  for (const [index, { event, cursor }] of events.entries()) {
    const next = serverSentEvent(event, cursor);
    piece.push(next);
    bytes += next.byteLength;
    if (bytes < pieceBytes && index < events.length - 1) continue;
    yield piece.length === 1 ? piece[0]! : Buffer.concat(piece);
    piece = [];
    bytes = 0;
  }
}
