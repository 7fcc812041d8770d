// A page of the history while more of the session waits to be stored.
//
// 1. It is complete only where all that the stream held when it was asked for had been looked at.
// 2. A page that is full anyway, or has much to give, does not wait for what is behind it. Another waits for a while, and then says that
//    there is more.
// 3. Where it is not known what is stored there is no page.

import type { Cursor } from '@worktrail/contract/cursor';
import type { Passage } from '../flush-barrier.ts';
import type { HistoryPage } from './history.ts';

/** What was written a moment ago is there by then, and the page is read once. */
const ownWritesMs = 300;
/** More than this takes longer. */
const ownMessagesMax = 32;
/** All together is below what the gateway waits for an answer. */
const answerMs = 2_500;
const unknownMs = 2_700;
/** Worth an answer of its own. */
const muchBytes = 256 * 1024;

/** `read`: a page that looks at everything up to a position that is stored. @throws UNAVAILABLE */
export async function readBehindBacklog(
  passage: Passage,
  read: (stored: Cursor) => Promise<HistoryPage>,
  nowMs: () => number,
): Promise<HistoryPage> {
  const startedMs = nowMs();
  const early = await passage.within(isFar(passage) ? 0 : ownWritesMs);
  if (early) return await read(early);
  const stored = passage.stored();
  const readMs = nowMs();
  const page = stored && (await read(stored));
  if (page && (!page.complete || page.bytes >= muchBytes)) return { ...page, complete: false };
  // Where reading took long there is no time left for waiting and reading again.
  const leftMs = answerMs - (nowMs() - startedMs) - (nowMs() - readMs);
  if (page && leftMs <= 0) return { ...page, complete: false };
  const late = await passage.within(page ? leftMs : unknownMs);
  if (late) return await read(late);
  if (!page || !passage.stored()) throw passage.refusal();
  return { ...page, complete: false };
}

function isFar(passage: Passage): boolean {
  const stored = passage.stored();
  return stored !== undefined && passage.sequence - stored.sequence > ownMessagesMax;
}
