// What a fork's history begins with: its parent's, up to a position. Of a parent that is a fork itself it may end in one of its ancestors'.

import { type Cursor, compareCursors, formatCursor, parseCursor } from '@worktrail/contract/cursor';
import type { SessionDocument } from '@worktrail/contract/documents';
import type { InheritedHistory } from '@worktrail/contract/forks';

/** Oldest first. `at`: in the history of the parent. */
export function inheritedAt(
  parent: Pick<SessionDocument, 'id' | 'branch' | 'inherited'>,
  at: Cursor,
): InheritedHistory[] {
  const { id: sessionId, branch, inherited } = parent;
  const upTo = formatCursor(at);
  const found = inherited.findIndex((one) => compareCursors(at, parseCursor(one.upTo)!) <= 0);
  const last = found < 0 ? { sessionId, branch, upTo } : { ...inherited[found]!, upTo };
  return [...inherited.slice(0, found < 0 ? inherited.length : found), last];
}
