// Asks open sessions to sleep: all of them while the runner drains, and those that have been idle longest while others lack a place.
//
// 1. Looked at once a second while there is a reason. A session with a live command is never asked for the sake of a place; one that is
//    on a runner that drains is, and follows when its command has ended.
// 2. Whoever was asked is asked again after `effectMsMax`, if it is still here.

import type { Lifetime } from '@worktrail/runtime/lifetime';
import { chooseEvicted, effectMsMax, type OpenSession } from './eviction.ts';
import type { LiveCommands } from '../commands/live-commands.ts';
import type { SlotHolder } from '../sessions/open-sandboxes.ts';
import type { Placements } from './placement.ts';
import type { SessionActivity } from '../sessions/session-activity.ts';
import type { AskToSleep } from '../sessions/session-signals.ts';

const everyMs = 1_000;
/** So long a session waits here before another one gives up its place: a second runner may have one. */
const waitedMsMin = 1_000;

export interface SlotKeepingDeps {
  placements: Pick<Placements, 'missing'>;
  commands: Pick<LiveCommands, 'list'>;
  occupied(): ReadonlyMap<string, SlotHolder>;
  activity: SessionActivity;
  isDraining(): boolean;
  askToSleep: AskToSleep;
  clock: () => number;
}

/** Answers with a function that looks at once. */
export function startSlotKeeping(deps: SlotKeepingDeps, lifetime: Lifetime): () => void {
  const { occupied, clock } = deps;
  const toldMs = new Map<string, number>();

  function openSessions(): OpenSession[] {
    const busy = new Set(deps.commands.list().map(({ input }) => input.sessionId));
    return [...occupied()].map(([sessionId, { memoryMb, openedMs }]) => ({
      sessionId,
      memoryMb,
      idleSinceMs: busy.has(sessionId) ? null : deps.activity.lastMs(sessionId, openedMs),
    }));
  }

  function look(): void {
    for (const sessionId of toldMs.keys()) if (!occupied().has(sessionId)) toldMs.delete(sessionId);
    deps.activity.keepOnly(occupied());
    if (deps.isDraining()) {
      for (const sessionId of occupied().keys())
        if ((toldMs.get(sessionId) ?? -Infinity) + effectMsMax <= clock()) tell(sessionId, 'runner_draining');
      return;
    }
    const missing = deps.placements.missing(waitedMsMin);
    if (missing.count === 0 && missing.memoryMb === 0) return;
    for (const sessionId of chooseEvicted(missing, openSessions(), toldMs, clock())) tell(sessionId, 'slot_needed');
  }

  function tell(sessionId: string, reason: 'slot_needed' | 'runner_draining'): void {
    toldMs.set(sessionId, clock());
    void deps.askToSleep(sessionId, reason);
  }

  const timer = setInterval(look, everyMs);
  lifetime.onClose('slot keeping', () => clearInterval(timer));
  return () => {
    // Who was told for another reason is told this one too.
    toldMs.clear();
    look();
  };
}
