// Whether this runner takes a session: its engine answers, it has the labels that are asked for, and a free slot.
//
// A place that was promised is held until the sandbox is opened, at most `promiseMsMax`.

import type { PlaceInput, Placement } from '@worktrail/contract/sandbox-activities';
import { hostTaskQueue } from '@worktrail/contract/sandbox-activities';
import type { EngineWatch } from './engine-watch.ts';

const promiseMsMax = 60_000;

/** Another runner may have one, or this one later. */
export class NoFreeSlot extends Error {
  override readonly name = 'NoFreeSlot';
}

export interface Placements {
  /** @throws NoFreeSlot */
  place(input: PlaceInput): Placement;
  slots(): { total: number; used: number };
}

export interface PlacementDeps {
  runnerId: string;
  labels: Record<string, string>;
  sessionsMax: number;
  engine: Pick<EngineWatch, 'failure'>;
  /** Sessions that hold a container here. */
  occupied(): ReadonlySet<string>;
  clock: () => number;
}

export function createPlacements(deps: PlacementDeps): Placements {
  const promises = new Map<string, number>();
  const taken = (): Set<string> => {
    for (const [sessionId, untilMs] of promises) if (untilMs < deps.clock()) promises.delete(sessionId);
    return new Set([...deps.occupied(), ...promises.keys()]);
  };
  return {
    place({ sessionId, environment }) {
      const failure = deps.engine.failure();
      if (failure !== null) throw new NoFreeSlot(`the engine of runner ${deps.runnerId} does not answer: ${failure}`);
      const missing = Object.entries(environment.runnerLabels).find(([name, value]) => deps.labels[name] !== value);
      if (missing) throw new NoFreeSlot(`this runner has no label ${missing.join('=')}`);
      const used = taken();
      if (!used.has(sessionId) && used.size >= deps.sessionsMax) {
        throw new NoFreeSlot(`all ${deps.sessionsMax} slots of runner ${deps.runnerId} are taken`);
      }
      promises.set(sessionId, deps.clock() + promiseMsMax);
      return { runnerId: deps.runnerId, hostQueue: hostTaskQueue(deps.runnerId) };
    },
    slots: () => ({ total: deps.sessionsMax, used: taken().size }),
  };
}
