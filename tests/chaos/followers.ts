// Three readers of one session's history, each by another way, all from its beginning: server-sent events, long polls, and pages.
// What each saw is kept as it came, so that the three can be compared.

import { createHash } from 'node:crypto';
import type { WorktrailClient, WorktrailEvent } from '@worktrail/client';

const PAGE = 23;
const LONG_POLL_SECONDS = 10;

/** An event as a reader saw it, in little. */
export interface Seen {
  cursor: string;
  id: string;
  type: string;
  commandId: string | null;
  /** Of what belongs to a turn. */
  turnId?: string;
  /** Of `session.restored`: what it was restored from. */
  checkpointId?: string;
  /** Of the whole event. */
  digest: string;
}

export type Way = 'sse' | 'long poll' | 'pages';

export interface Follower {
  readonly way: Way;
  readonly seen: readonly Seen[];
  /** Why it ended before it was stopped. */
  failure(): string | null;
  /** Resolves when an event that fits was seen. */
  until(fits: (event: WorktrailEvent) => boolean, signal: AbortSignal): Promise<void>;
  /** Resolves when this cursor was seen, now or before. */
  reaches(cursor: string, signal: AbortSignal): Promise<void>;
}

export interface Followers {
  readonly all: readonly Follower[];
  readonly sse: Follower;
  stop(): Promise<void>;
}

export function summarize(event: WorktrailEvent): Seen {
  const { cursor, id, type, turnId, commandId = null } = event;
  const seen = { cursor, id, type, commandId, ...(turnId && { turnId }), digest: digestOf(event) };
  if (type !== 'session.restored') return seen;
  return { ...seen, checkpointId: String(event.data['checkpointId'] ?? '') };
}

export function follow(client: WorktrailClient, sessionId: string): Followers {
  const stopping = new AbortController();
  const { signal } = stopping;
  const sse = startFollower('sse', signal, () => client.events.follow(sessionId, { signal }));
  const longPoll = startFollower('long poll', signal, () => poll(client, sessionId, signal));
  const pages = startFollower('pages', signal, () => page(client, sessionId, sse, signal));
  const all = [sse, longPoll, pages];
  return {
    all,
    sse,
    async stop() {
      stopping.abort();
      await Promise.all(all.map(({ ended }) => ended));
    },
  };
}

async function* poll(client: WorktrailClient, sessionId: string, signal: AbortSignal) {
  for (let after: string | undefined; ; ) {
    const query = { after, waitSeconds: LONG_POLL_SECONDS, limit: 200 };
    const { items, nextCursor } = await client.events.list(sessionId, query, { signal });
    yield* items;
    after = nextCursor;
  }
}

/** Small pages; where there is no more for now, the next one is asked for when another reader has seen something. */
async function* page(client: WorktrailClient, sessionId: string, other: Follower, signal: AbortSignal) {
  for (let after: string | undefined, count = 0; ; ) {
    const { items, nextCursor, complete } = await client.events.list(sessionId, { after, limit: PAGE }, { signal });
    yield* items;
    after = nextCursor;
    count += items.length;
    if (complete && other.seen.length <= count) await other.until(() => true, signal);
  }
}

interface Waiter {
  fits(event: WorktrailEvent): boolean;
  resolve(): void;
}

function startFollower(
  way: Way,
  signal: AbortSignal,
  open: () => AsyncIterable<WorktrailEvent>,
): Follower & { ended: Promise<void> } {
  const seen: Seen[] = [];
  const waiters = new Set<Waiter>();
  let failure: string | null = null;

  const follower: Follower = {
    way,
    seen,
    failure: () => failure,
    until(fits, until) {
      return new Promise((resolve, reject) => {
        const stop = () => {
          waiters.delete(waiter);
          reject(until.reason);
        };
        const waiter: Waiter = {
          fits,
          resolve() {
            waiters.delete(waiter);
            until.removeEventListener('abort', stop);
            resolve();
          },
        };
        if (until.aborted) return stop();
        waiters.add(waiter);
        until.addEventListener('abort', stop, { once: true });
      });
    },
    async reaches(cursor, until) {
      if (seen.some((event) => event.cursor === cursor)) return;
      await follower.until((event) => event.cursor === cursor, until);
    },
  };
  const ended = (async () => {
    try {
      for await (const event of open()) {
        seen.push(summarize(event));
        for (const waiter of waiters) if (waiter.fits(event)) waiter.resolve();
      }
    } catch (error) {
      if (!signal.aborted) failure = String(error);
    }
  })();
  return { ...follower, seen, ended };
}

/** The same for the same content, whatever the order of fields. */
function digestOf(event: WorktrailEvent): string {
  return createHash('sha256').update(canonical(event)).digest('base64url');
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${canonical(field)}`).join()}}`;
}
