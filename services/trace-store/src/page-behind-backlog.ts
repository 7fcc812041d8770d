// A page of the history while more of the session waits to be stored.
//
// 1. It is complete only where all that the stream held when it was asked for had been looked at.
// 2. It does not wait long for a backlog while it has something to give; without, it waits a little, and then says that there is more.

import type { Cursor } from '@worktrail/contract/cursor';
import type { Passage } from './flush-barrier.ts';
import type { HistoryPage } from './history.ts';

/** What was written a moment ago is there by then. */
const ownWritesMs = 300;
/** With the reading of a page below what the gateway waits for an answer. */
const backlogMs = 1_700;

/** `read`: a page that looks at everything up to a position that is stored. */
export async function readBehindBacklog(
  passage: Passage,
  read: (stored: Cursor) => Promise<HistoryPage>,
): Promise<HistoryPage> {
  const early = await passage.within(ownWritesMs);
  if (early) return await read(early);
  const page = await read(passage.stored());
  if (page.events.length > 0) return { ...page, complete: false };
  const late = await passage.within(backlogMs);
  return late ? await read(late) : { ...page, complete: false };
}
