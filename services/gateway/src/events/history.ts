// Pages of a session's history from the trace-store.

import { Code, ConnectError } from '@connectrpc/connect';
import { type Cursor, parseCursor, toCursor } from '@worktrail/contract/cursor';
import type { EventScope } from '@worktrail/contract/subjects';
import type { InheritedHistory } from '@worktrail/contract/forks';
import type { Event } from '@worktrail/proto/event';
import type { TraceClient } from '@worktrail/runtime/trace-client';
import { Problem } from '../problem.ts';
import { askTraceStore } from '../trace-store.ts';

export interface PositionedEvent {
  cursor: Cursor;
  event: Event;
}

export interface HistoryPage {
  events: PositionedEvent[];
  /** Where to go on. */
  next: Cursor;
  /** Nothing was left behind `next`. */
  complete: boolean;
}

export interface HistoryQuery {
  after: Cursor | undefined;
  limit: number;
  types: readonly string[];
}

/** Whose history: of a fork with what it has inherited. */
export interface HistoryScope extends EventScope {
  inherited?: readonly InheritedHistory[];
}

export interface History {
  page(scope: HistoryScope, query: HistoryQuery): Promise<HistoryPage>;
}

const bytesMax = 4 * 1024 * 1024;

export function createHistory(trace: Pick<TraceClient, 'listEvents'>): History {
  return {
    async page(scope, query) {
      const response = await askTraceStore(() => listEvents(trace, scope, query));
      return {
        events: response.events.map(({ cursor, event }) => ({ cursor: cursorOf(cursor), event: event! })),
        next: cursorOf(response.next),
        complete: response.complete,
      };
    },
  };
}

async function listEvents(trace: Pick<TraceClient, 'listEvents'>, scope: HistoryScope, query: HistoryQuery) {
  const { partition, organizationId, sessionId, inherited = [] } = scope;
  try {
    return await trace.listEvents({
      scope: { partition, organizationId, sessionId },
      inherited: inherited.map((one) => ({ sessionId: one.sessionId, upTo: cursorMessage(readCursor(one.upTo)) })),
      ...(query.after && { after: cursorMessage(query.after) }),
      limit: query.limit,
      types: [...query.types],
      bytesMax,
    });
  } catch (error) {
    throw cursorProblem(error);
  }
}

function cursorProblem(error: unknown): unknown {
  if (!(error instanceof ConnectError)) return error;
  if (error.code === Code.InvalidArgument) {
    return new Problem('cursor_invalid', 'after: is no cursor of this session', { cause: error });
  }
  if (error.code === Code.OutOfRange) {
    const oldest = error.metadata.get('worktrail-oldest-cursor');
    const detail = 'after: the events behind this cursor are no longer kept';
    return new Problem('cursor_expired', detail, { members: oldest ? { oldest } : {}, cause: error });
  }
  return error;
}

function cursorMessage({ epoch, sequence, fill }: Cursor) {
  return { epoch: BigInt(epoch), sequence: BigInt(sequence), fill: BigInt(fill ?? 0) };
}

function cursorOf(cursor: { epoch: bigint; sequence: bigint; fill: bigint } | undefined): Cursor {
  return toCursor(Number(cursor?.epoch ?? 0n), Number(cursor?.sequence ?? 0n), Number(cursor?.fill ?? 0n));
}

/** @throws cursor_invalid for anything but a cursor that was given out. */
export function readCursor(text: string): Cursor {
  const cursor = parseCursor(text);
  if (cursor) return cursor;
  throw new Problem('cursor_invalid', `after: "${text.slice(0, 100)}" is no cursor`);
}
