// One history, whoever reads it: a session's events as they are stored, against what each of its readers saw. A session that is quiet may
// still be checkpointed: what came after its events were read is not looked at.

import type { WorktrailClient } from '@worktrail/client';
import { compareCursors, parseCursor } from '@worktrail/contract/cursor';
import { checkHistory, checkProducers, compareFeed, type ProducerCount, type Violation } from './checks.ts';
import type { Followers, Seen } from './followers.ts';
import { readHistory, readProducers } from './observe.ts';

const FOLLOW_TIMEOUT_MS = 60_000;
const readAgainMax = 5;

/** Adds what it finds to `violations`; answers the history. */
export async function readFeeds(
  client: WorktrailClient,
  { sessionId, followers }: { sessionId: string; followers: Followers },
  violations: Violation[],
  signal: AbortSignal,
): Promise<Seen[]> {
  let history = await readHistory(client, sessionId, signal);
  let producers = await readProducers(client, sessionId, signal);
  for (let again = 0; again < readAgainMax && history.length !== countOf(producers); again += 1) {
    history = await readHistory(client, sessionId, signal);
    producers = await readProducers(client, sessionId, signal);
  }
  violations.push(...checkHistory(sessionId, history));
  violations.push(...checkProducers(sessionId, producers, history.length));
  const last = history.at(-1)!.cursor;
  const isRead = ({ cursor }: Seen) => compareCursors(parseCursor(cursor)!, parseCursor(last)!) <= 0;
  for (const follower of followers.all) {
    const name = `${follower.way} of ${sessionId}`;
    await follower.reaches(last, AbortSignal.any([signal, AbortSignal.timeout(FOLLOW_TIMEOUT_MS)])).catch(() => {
      violations.push({ kind: 'stuck', what: `${name}: ${follower.failure() ?? 'goes on no more'}` });
    });
    violations.push(...compareFeed(name, history, follower.seen.filter(isRead)));
  }
  return history;
}

function countOf(producers: readonly ProducerCount[]): number {
  return producers.reduce((sum, { events }) => sum + events, 0);
}
