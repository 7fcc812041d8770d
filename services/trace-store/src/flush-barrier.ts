// Lets a reader see its own writes: what the stream holds when a question arrives is stored before it is answered.
//
// It asks the stream for the last message of the subjects in question and waits until ingest is there: for one session's question
// another session's backlog behind it does not matter. Bounded; then the answer is UNAVAILABLE.

import { Code, ConnectError } from '@connectrpc/connect';
import type { JetStreamManager } from '@nats-io/jetstream';
import type { Cursor } from '@worktrail/contract/cursor';
import { type EventScope, eventSubject } from '@worktrail/contract/subjects';
import type { Ingest } from './ingest.ts';

export interface FlushBarrier {
  /** Resolves with a position that is stored, at or beyond the last message of the subjects. */
  pass(ingest: Ingest, subjects: string): Promise<Cursor>;
}

const waitMs = 3_000;

export function createFlushBarrier(jsm: JetStreamManager): FlushBarrier {
  const reach = async (ingest: Ingest, subjects: string): Promise<Cursor> => {
    const last = await jsm.direct.getMessage(ingest.stream, { last_by_subj: subjects });
    return ingest.waitFor(last?.seq ?? 0, waitMs);
  };
  return {
    pass: async (ingest, subjects) => {
      let timer: NodeJS.Timeout | undefined;
      const timeout = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`no answer within ${waitMs} ms`)), waitMs);
      });
      try {
        return await Promise.race([reach(ingest, subjects), timeout]);
      } catch (error) {
        const reason = ingest.problem() ?? (error as Error).message;
        throw new ConnectError(
          `the history is not up to date: ${reason}`,
          Code.Unavailable,
          undefined,
          undefined,
          error,
        );
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

export function sessionSubjects(scope: EventScope): string {
  return eventSubject(scope, '>');
}

export function organizationSubjects(partition: number, organizationId: string): string {
  return `worktrail.events.${partition}.${organizationId}.>`;
}
