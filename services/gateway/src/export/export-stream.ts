// A history in a format, as a stream of bytes.
//
// 1. It ends where the history ended when it was asked for: a session that goes on does not keep it going.
// 2. Nothing is read before the client has taken what came before; what is held is one page of the history.
// 3. A trace-store that is away is waited for. What cannot go on breaks the connection: what was cut off has no end.

import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type Cursor, compareCursors, formatCursor } from '@worktrail/contract/cursor';
import { WorktrailError } from '@worktrail/contract/errors';
import type { Logger } from '@worktrail/runtime/log';
import type { History, HistoryPage, HistoryScope, PositionedEvent } from '../events/history.ts';
import type { ExportFormat } from './export-format.ts';

const pageEventsMax = 1_000;
const pieceCharacters = 64 * 1024;
const retryDelayMs = 1_000;
const retriesMax = 60;

export interface ExportOf {
  scope: HistoryScope;
  after: Cursor | undefined;
  until: Cursor;
  types: readonly string[];
}

/** Resolves once the first page is there, so that a wrong cursor or a missing part is an ordinary error answer. */
export async function openExport(
  history: History,
  of: ExportOf,
  format: ExportFormat,
  context: { signal: AbortSignal; log: Logger; onClose: () => void },
): Promise<ReadableStream<Uint8Array>> {
  const first = await page(history, of, of.after);
  const pieces = piecesOf(eventsOf(history, of, first, context.signal), format);
  const close = async () => {
    context.onClose();
    await pieces.return();
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const next = await pieces.next();
          if (!next.done) return controller.enqueue(next.value);
        } catch (error) {
          context.log.warn({ err: error, sessionId: of.scope.sessionId }, 'an export broke off');
          context.onClose();
          throw error;
        }
        await close();
        controller.close();
      },
      cancel: close,
    },
    { highWaterMark: 0 },
  );
}

async function page(history: History, { scope, types }: ExportOf, after: Cursor | undefined): Promise<HistoryPage> {
  return await history.page(scope, { after, limit: pageEventsMax, types });
}

async function* eventsOf(
  history: History,
  of: ExportOf,
  first: HistoryPage,
  signal: AbortSignal,
): AsyncGenerator<PositionedEvent, void, undefined> {
  for (let read = first; ; read = await nextPage(history, of, read.next, signal)) {
    for (const event of read.events) {
      if (compareCursors(event.cursor, of.until) > 0) return;
      yield event;
    }
    if (read.complete || compareCursors(read.next, of.until) >= 0) return;
  }
}

async function nextPage(history: History, of: ExportOf, after: Cursor, signal: AbortSignal): Promise<HistoryPage> {
  for (let tries = 0; ; tries += 1) {
    signal.throwIfAborted();
    try {
      return await page(history, of, after);
    } catch (error) {
      if (tries >= retriesMax || !(error instanceof WorktrailError && error.code === 'dependency_unavailable'))
        throw error;
      await delay(retryDelayMs, undefined, { signal });
    }
  }
}

async function* piecesOf(
  events: AsyncGenerator<PositionedEvent, void, undefined>,
  format: ExportFormat,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  const hash = createHash('sha256');
  const hashed = (text: string) => {
    const bytes = Buffer.from(text);
    hash.update(bytes);
    return bytes;
  };
  let count = 0;
  let last: Cursor | undefined;
  let text = format.begin();
  for await (const event of events) {
    count += 1;
    last = event.cursor;
    text += format.event(event);
    if (text.length < pieceCharacters) continue;
    yield hashed(text);
    text = '';
  }
  yield hashed(text + format.rest());
  const sums = { events: count, cursor: last ? formatCursor(last) : null, sha256: hash.digest('hex') };
  yield Buffer.from(format.end(sums));
}
