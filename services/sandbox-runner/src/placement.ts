// Whether this runner takes a session: it lacks nothing, has the labels that are asked for, and a free slot.
//
// A place that was promised is held until the sandbox is being opened, at most `promiseMsMax`; from then on the opening holds it, and at
// last the container. What was placed here before and sleeps holds none: it is opened again when there is one.

import type { PlaceInput, Placement } from '@worktrail/contract/sandbox-activities';
import { hostTaskQueue } from '@worktrail/contract/sandbox-activities';
import type { RunnerDocument } from '@worktrail/contract/documents';

const promiseMsMax = 60_000;

/** Another runner may have one, or this one later. */
export class NoFreeSlot extends Error {
  override readonly name = 'NoFreeSlot';
}

export interface Placements {
  /** @throws NoFreeSlot */
  place(input: PlaceInput): Placement;
  /** Holds a place while `work` opens the session's sandbox. @throws NoFreeSlot */
  opening<T>(sessionId: string, work: () => Promise<T>): Promise<T>;
  slots(): { total: number; used: number };
}

export interface PlacementDeps {
  runnerId: string;
  labels: Record<string, string>;
  sessionsMax: number;
  /** What keeps it from making sandboxes. */
  lacking(): RunnerDocument['unavailable'];
  /** Sessions that hold a container here. */
  occupied(): ReadonlySet<string>;
  clock: () => number;
}

export function createPlacements(deps: PlacementDeps): Placements {
  const promises = new Map<string, number>();
  /** The session of each opening that is under way. */
  const openings = new Map<object, string>();
  const taken = (): Set<string> => {
    for (const [sessionId, untilMs] of promises) if (untilMs < deps.clock()) promises.delete(sessionId);
    return new Set([...deps.occupied(), ...promises.keys(), ...openings.values()]);
  };
  const requirePlace = (sessionId: string): void => {
    const used = taken();
    if (!used.has(sessionId) && used.size >= deps.sessionsMax)
      throw new NoFreeSlot(`all ${deps.sessionsMax} slots of runner ${deps.runnerId} are taken`);
  };
  return {
    place({ sessionId, environment }) {
      const lacking = deps.lacking();
      if (lacking) throw new NoFreeSlot(`runner ${deps.runnerId} lacks ${lacking.part}: ${lacking.detail}`);
      const missing = Object.entries(environment.runnerLabels).find(([name, value]) => deps.labels[name] !== value);
      if (missing) throw new NoFreeSlot(`this runner has no label ${missing.join('=')}`);
      requirePlace(sessionId);
      promises.set(sessionId, deps.clock() + promiseMsMax);
      return { runnerId: deps.runnerId, hostQueue: hostTaskQueue(deps.runnerId) };
    },
    async opening(sessionId, work) {
      requirePlace(sessionId);
      const opening = {};
      openings.set(opening, sessionId);
      promises.delete(sessionId);
      try {
        return await work();
      } finally {
        openings.delete(opening);
      }
    },
    slots: () => ({ total: deps.sessionsMax, used: taken().size }),
  };
}
