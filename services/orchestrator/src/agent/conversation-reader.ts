// Reading a session's conversation from the trace-store, from where it was last read in this process; from step to step of a turn that goes on
// here, from the stream (`turn-tail.ts`).
//
// What is held is bounded by the number of sessions; one that was forgotten is read from its beginning.

import { compareCursors, type Cursor, parseCursor, toCursor } from '@worktrail/contract/cursor';
import type { InheritedHistory } from '@worktrail/contract/forks';
import type { TraceClient } from '@worktrail/runtime/trace-client';
import type { SandboxRef } from '@worktrail/contract/sandbox-activities';
import { addEvent, type Conversation, conversationTypes, copyOf, newConversation, openCalls } from './conversation.ts';
import { readTurnTail, type TailPosition, type TailReader } from './turn-tail.ts';

export interface ConversationReader {
  /** As the history has it now. */
  read(
    ref: SandboxRef,
    inherited: readonly InheritedHistory[],
    next: NextStep,
    signal: AbortSignal,
  ): Promise<Conversation>;
}

/** What it is read for. */
export interface NextStep {
  turnId: string;
  step: number;
}

interface Held {
  conversation: Conversation;
  next: Cursor | undefined;
  /** The same, and what came to it from the stream. */
  turn: (NextStep & { conversation: Conversation; position: TailPosition }) | undefined;
}

const pageEvents = 1_000;
const pageBytes = 4 * 1024 * 1024;

export function createConversationReader(
  trace: Pick<TraceClient, 'listEvents'>,
  jsm: TailReader,
  sessionsMax = 200,
): ConversationReader {
  const held = new Map<string, Held>();
  return {
    read: async (ref, inherited, { turnId, step }, signal) => {
      const { organizationId, sessionId, partition } = ref;
      const known: Held = held.get(sessionId) ?? { conversation: newConversation(), next: undefined, turn: undefined };
      // Whoever reads it at the same time reads it anew.
      held.delete(sessionId);
      if (known.turn?.turnId === turnId && known.turn.step === step - 1) {
        const { turn } = known;
        // Where the stream cannot be asked the trace-store is.
        const open = openCalls(turn.conversation);
        const tail = await readTurnTail(jsm, ref, turn, turn.position, open).catch(() => undefined);
        if (tail) {
          for (const event of tail.events) addEvent(turn.conversation, event);
          held.set(sessionId, { ...known, turn: { ...turn, step, position: tail.position } });
          return turn.conversation;
        }
      }
      const { conversation } = known;
      for (;;) {
        const page = await trace.listEvents(
          {
            scope: { organizationId, sessionId, partition },
            ...(known.next && { after: cursorMessage(known.next) }),
            limit: pageEvents,
            types: [...conversationTypes],
            bytesMax: pageBytes,
            inherited: inherited.map((one) => ({
              sessionId: one.sessionId,
              upTo: cursorMessage(parseCursor(one.upTo)!),
            })),
          },
          { signal },
        );
        for (const { event } of page.events) addEvent(conversation, event!);
        const next = cursorOf(page.next);
        if (page.complete) {
          known.next = known.next && compareCursors(known.next, next) > 0 ? known.next : next;
          break;
        }
        known.next = next;
      }
      const position = { sequence: known.next!.sequence, session: null };
      known.turn = { turnId, step, conversation: copyOf(conversation), position };
      held.set(sessionId, known);
      if (held.size > sessionsMax) held.delete(held.keys().next().value!);
      return known.turn.conversation;
    },
  };
}

function cursorMessage({ epoch, sequence, fill }: Cursor) {
  return { epoch: BigInt(epoch), sequence: BigInt(sequence), fill: BigInt(fill ?? 0) };
}

function cursorOf(cursor: { epoch: bigint; sequence: bigint; fill: bigint } | undefined): Cursor {
  return toCursor(Number(cursor?.epoch ?? 0n), Number(cursor?.sequence ?? 0n), Number(cursor?.fill ?? 0n));
}
