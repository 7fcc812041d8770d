// One history, whoever reads it: a session's events as they are stored, against what each of its readers saw.

import type { WorktrailClient } from '@worktrail/client';
import { checkHistory, checkProducers, compareFeed, type Violation } from './checks.ts';
import type { Followers, Seen } from './followers.ts';
import { readHistory, readProducers } from './observe.ts';

const FOLLOW_TIMEOUT_MS = 30_000;

/** Adds what it finds to `violations`; answers the history. */
export async function readFeeds(
  client: WorktrailClient,
  { sessionId, followers }: { sessionId: string; followers: Followers },
  violations: Violation[],
  signal: AbortSignal,
): Promise<Seen[]> {
  const history = await readHistory(client, sessionId, signal);
  violations.push(...checkHistory(sessionId, history));
  violations.push(...checkProducers(sessionId, await readProducers(client, sessionId, signal), history.length));
  const last = history.at(-1)!.cursor;
  for (const follower of followers.all) {
    const name = `${follower.way} of ${sessionId}`;
    await follower.reaches(last, AbortSignal.any([signal, AbortSignal.timeout(FOLLOW_TIMEOUT_MS)])).catch(() => {
      violations.push({ kind: 'stuck', what: `${name}: ${follower.failure() ?? 'goes on no more'}` });
    });
    violations.push(...compareFeed(name, history, follower.seen));
  }
  return history;
}
