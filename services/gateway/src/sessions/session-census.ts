// The live sessions of the whole cluster, as their documents say: one follow of their bucket, begun when it is first asked for and
// shared by all that count.
//
// 1. A session is live from the moment it is asked for until it is archived or failed. One whose workflow has not reported after ten
//    minutes (an attempt of a trial that waits, or was never begun) is not, until it does.
// 2. Where the documents cannot be followed no figure is made up: `dependency_unavailable`.

import type { KV } from '@nats-io/kv';
import type { SessionDocument, SessionState } from '@worktrail/contract/documents';
import { callTimeoutsMs, unavailable, within } from '../deadline.ts';

const unreportedMs = 10 * 60_000;

export interface AskedSession {
  organizationId: string;
  projectId: string;
  sessionId: string;
  /** What it begins as; `creating` where nothing is said. */
  state?: SessionState;
}

export interface LiveSession {
  organizationId: string;
  projectId: string;
  state: SessionState;
  runnerId: string | null;
  waitingForPlaceSince: string | null;
  /** When it stops to count unless its workflow reports, ms since 1970; null once that has. */
  lapsesAt: number | null;
}

/** By session id. */
export type LiveSessions = ReadonlyMap<string, LiveSession>;

export interface SessionCensus {
  /** Those that are live now. What is done with them before the next await is done with the truth. */
  live(): Promise<LiveSessions>;
  /** Counts sessions in that are about to be made. To be called in the same moment as what was decided by `live`. */
  expect(sessions: readonly AskedSession[]): void;
}

export function createSessionCensus(bucket: KV, now: () => number): SessionCensus {
  let followed: Promise<Map<string, LiveSession>> | undefined;
  let current: Map<string, LiveSession> | undefined;
  const end = () => (followed = undefined);
  const follow = () => {
    followed ??= followSessions(bucket, end).catch((error: unknown) => {
      end();
      throw error;
    });
    return within('nats', callTimeoutsMs.nats, () => followed as Promise<Map<string, LiveSession>>);
  };
  return {
    async live() {
      const live = await follow();
      const at = now();
      for (const [id, { lapsesAt }] of live) if (lapsesAt !== null && lapsesAt <= at) live.delete(id);
      current = live;
      return live;
    },
    expect(sessions) {
      const lapsesAt = now() + unreportedMs;
      for (const { sessionId, organizationId, projectId, state = 'creating' } of sessions) {
        const session = { organizationId, projectId, state, lapsesAt };
        current?.set(sessionId, { ...session, runnerId: null, waitingForPlaceSince: null });
      }
    },
  };
}

/** Resolves with what is stored, and keeps it true from then on. `onEnd`: it is followed no longer. */
async function followSessions(bucket: KV, onEnd: () => void): Promise<Map<string, LiveSession>> {
  const live = new Map<string, LiveSession>();
  const read = Promise.withResolvers<void>();
  const { values } = await bucket.status();
  const entries = await bucket.watch();
  if (values === 0) read.resolve();
  const follow = async () => {
    for await (const entry of entries) {
      if (entry.operation === 'PUT') record(live, entry.json<SessionDocument>());
      else live.delete(entry.key.slice(entry.key.lastIndexOf('.') + 1));
      if (entry.isUpdate) read.resolve();
    }
  };
  void follow()
    .catch(() => undefined)
    .finally(() => {
      read.reject(unavailable('nats', 'the sessions can no longer be followed'));
      onEnd();
    });
  await read.promise;
  return live;
}

function record(live: Map<string, LiveSession>, document: SessionDocument): void {
  const { id, organizationId, projectId, state, version } = document;
  if (state === 'archived' || state === 'failed') {
    live.delete(id);
    return;
  }
  const lapsesAt = version === 0 ? Date.parse(document.createdAt) + unreportedMs : null;
  const { runnerId, waitingForPlaceSince } = document;
  live.set(id, { organizationId, projectId, state, runnerId, waitingForPlaceSince, lapsesAt });
}

/** The rank of a session among all that wait for a place, from 1; null when it does not wait. */
export function queuePosition(
  live: LiveSessions,
  { id, waitingForPlaceSince }: Pick<SessionDocument, 'id' | 'waitingForPlaceSince'>,
): number | null {
  if (!waitingForPlaceSince) return null;
  let before = 0;
  for (const [otherId, { waitingForPlaceSince: since }] of live) {
    // Documents of earlier versions do not say since when they wait.
    if (!since || otherId === id) continue;
    if (since < waitingForPlaceSince || (since === waitingForPlaceSince && otherId < id)) before += 1;
  }
  return before + 1;
}
