// What the history says of a session, page by page.

import { type Cursor, parseCursor, toCursor } from '@worktrail/contract/cursor';
import type { RunAgentTurnInput } from '@worktrail/contract/sandbox-activities';
import type { Event } from '@worktrail/proto/event';
import type { TraceClient } from '@worktrail/runtime/trace-client';

const pageEvents = 1_000;
const pageBytes = 4 * 1024 * 1024;

/** Of these types, in their order, up to now; what a fork has inherited comes first. */
export async function* toldBefore(
  trace: Pick<TraceClient, 'listEvents'>,
  {
    organizationId,
    sessionId,
    partition,
    inherited,
  }: Pick<RunAgentTurnInput, 'organizationId' | 'sessionId' | 'partition' | 'inherited'>,
  types: string[],
  signal: AbortSignal,
): AsyncGenerator<Event, void, void> {
  let next: Cursor | undefined;
  for (;;) {
    const page = await trace.listEvents(
      {
        scope: { organizationId, sessionId, partition },
        ...(next && { after: cursorMessage(next) }),
        ...{ limit: pageEvents, types, bytesMax: pageBytes },
        inherited: inherited.map((one) => ({ sessionId: one.sessionId, upTo: cursorMessage(parseCursor(one.upTo)!) })),
      },
      { signal },
    );
    for (const { event } of page.events) yield event!;
    if (page.complete) return;
    next = toCursor(Number(page.next?.epoch ?? 0n), Number(page.next?.sequence ?? 0n), Number(page.next?.fill ?? 0n));
  }
}

function cursorMessage({ epoch, sequence, fill }: Cursor) {
  return { epoch: BigInt(epoch), sequence: BigInt(sequence), fill: BigInt(fill ?? 0) };
}
