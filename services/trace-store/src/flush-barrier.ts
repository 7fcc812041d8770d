// Lets a reader see its own writes: what the stream holds when a question arrives is stored before it is answered.
//
// It asks the stream for the last message of the subjects in question and waits until ingest is there: for one session's question
// another session's backlog behind it does not matter. Bounded; then the answer is UNAVAILABLE, but for a page of the history, which can
// say that it is not complete.

import { Code, ConnectError } from '@connectrpc/connect';
import type { JetStreamManager } from '@nats-io/jetstream';
import type { Cursor } from '@worktrail/contract/cursor';
import { type EventScope, eventSubject } from '@worktrail/contract/subjects';
import type { Ingest } from './ingest/ingest.ts';

export interface FlushBarrier {
  /** Resolves with a position that is stored, at or beyond the last message of the subjects. */
  pass(ingest: Ingest, subjects: string): Promise<Cursor>;
  /** Asks for the last message. @throws UNAVAILABLE where NATS or ClickHouse does not answer, not for a backlog. */
  approach(ingest: Ingest, subjects: string): Promise<Passage>;
}

/** A wait that can be taken in parts. */
export interface Passage {
  /** Of the last message. */
  readonly sequence: number;
  /** A position at or beyond the last message; undefined where it is not stored by then. */
  within(waitMs: number): Promise<Cursor | undefined>;
  /** Everything up to here is stored; undefined where that is not known, or nothing can be stored at the moment. */
  stored(): Cursor | undefined;
  /** Why it was not passed. */
  refusal(): ConnectError;
}

const waitMs = 3_000;

export function createFlushBarrier(jsm: Pick<JetStreamManager, 'direct'>): FlushBarrier {
  const lastSequence = async (ingest: Ingest, subjects: string): Promise<number> =>
    (await jsm.direct.getMessage(ingest.stream, { last_by_subj: subjects }))?.seq ?? 0;
  const reach = async (ingest: Ingest, subjects: string): Promise<Cursor> =>
    ingest.waitFor(await lastSequence(ingest, subjects), waitMs);
  return {
    pass: async (ingest, subjects) => {
      try {
        return await inTime(reach(ingest, subjects));
      } catch (error) {
        throw notUpToDate(ingest, error);
      }
    },
    approach: async (ingest, subjects) => {
      let sequence: number;
      try {
        sequence = await inTime(lastSequence(ingest, subjects));
      } catch (error) {
        throw notUpToDate(ingest, error);
      }
      return {
        sequence,
        within: (partMs) => ingest.waitFor(sequence, partMs).catch(() => undefined),
        stored: () => (ingest.problem() === undefined ? ingest.position() : undefined),
        refusal: () => notUpToDate(ingest, new Error('it is not known how far it is')),
      };
    },
  };
}

async function inTime<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${waitMs} ms`)), waitMs);
  });
  try {
    return await Promise.race([answer, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

function notUpToDate(ingest: Ingest, error: unknown): ConnectError {
  const reason = ingest.problem() ?? (error as Error).message;
  return new ConnectError(`the history is not up to date: ${reason}`, Code.Unavailable, undefined, undefined, error);
}

export function sessionSubjects(scope: EventScope): string {
  return eventSubject(scope, '>');
}

export function organizationSubjects(partition: number, organizationId: string): string {
  return `worktrail.events.${partition}.${organizationId}.>`;
}
