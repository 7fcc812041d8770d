// Which sessions are on which runner, by their documents: those to which it matters that their host is lost.
//
// A hibernated session is not among them: its volume may come back with its host. One that is being resumed is.

import type { SessionDocument, SessionState } from '@worktrail/contract/documents';

export interface PlacedSession {
  sessionId: string;
  runnerId: string;
  generation: number;
}

const unconcerned: ReadonlySet<SessionState> = new Set(['hibernated', 'archived']);

export interface PlacedSessions {
  apply(document: SessionDocument): void;
  /** It has no document, or no workflow, any more. */
  drop(sessionId: string): void;
  runnerIds(): Set<string>;
  /** At most `max` sessions of runners that are lost, each again only after `againMs`; they count as told. */
  toTell(
    isLost: (runnerId: string) => boolean,
    nowMs: number,
    bounds: { max: number; againMs: number },
  ): PlacedSession[];
}

export function createPlacedSessions(): PlacedSessions {
  const sessions = new Map<string, PlacedSession & { version: number; toldAtMs: number | null }>();
  return {
    apply({ id, version, state, runnerId, generation }) {
      const known = sessions.get(id);
      if (known && known.version >= version) return;
      if (runnerId === null || unconcerned.has(state)) return void sessions.delete(id);
      const toldAtMs = known?.runnerId === runnerId ? known.toldAtMs : null;
      sessions.set(id, { sessionId: id, runnerId, generation, version, toldAtMs });
    },
    drop: (sessionId) => void sessions.delete(sessionId),
    runnerIds: () => new Set([...sessions.values()].map(({ runnerId }) => runnerId)),
    toTell(isLost, nowMs, { max, againMs }) {
      const due: PlacedSession[] = [];
      for (const session of sessions.values()) {
        if (due.length >= max) break;
        if (session.toldAtMs !== null && nowMs - session.toldAtMs < againMs) continue;
        if (!isLost(session.runnerId)) continue;
        session.toldAtMs = nowMs;
        const { sessionId, runnerId, generation } = session;
        due.push({ sessionId, runnerId, generation });
      }
      return due;
    },
  };
}
