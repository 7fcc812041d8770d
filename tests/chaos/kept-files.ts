// Whose files must still be there: pure, from what the history says.
//
// Files are lost with a host, back to the checkpoint that the session was restored from; whatever ended before that checkpoint, or
// after the restore, left files that stay.

import { type Cursor, compareCursors, parseCursor } from '@worktrail/contract/cursor';
import type { Seen } from './followers.ts';

/** `checkpoints`: the cursor of each by its id. */
export function keepsFiles(
  history: readonly Seen[],
  checkpoints: ReadonlyMap<string, string>,
): (commandId: string) => boolean {
  const ends = new Map(
    history.filter(({ type }) => type === 'command.ended').map(({ commandId, cursor }) => [commandId, at(cursor)]),
  );
  const losses = history
    .filter(({ type }) => type === 'session.restored')
    .map(({ cursor, checkpointId }) => {
      const from = checkpoints.get(checkpointId ?? '');
      return { restoredAt: at(cursor), keptUntil: from === undefined ? null : at(from) };
    });
  return (commandId) => {
    const end = ends.get(commandId);
    if (!end) return false;
    return losses.every(
      ({ restoredAt, keptUntil }) =>
        compareCursors(end, restoredAt) > 0 || (keptUntil !== null && compareCursors(end, keptUntil) < 0),
    );
  };
}

function at(cursor: string): Cursor {
  return parseCursor(cursor)!;
}
