// Whether this runner takes a session: it lacks nothing, does not drain, has the labels that are asked for, and a free place, by count
// and by memory.
//
// 1. A place that was promised is held until the sandbox is being opened, at most `promiseMsMax`; from then on the opening holds it,
//    and at last the container. What was placed here before and sleeps holds none: it is opened again when there is one.
// 2. Who is refused a place asks again within `askAgainMsMax`. Those that did so lately are waiting, and a free place goes to the one
//    of them whose turn it is (fair-places.ts), not to whoever happens to ask next.
// 3. Only so many are remembered as waiting; the others have their turn after them.

import {
  hostTaskQueue,
  type OpenSandboxInput,
  type PlaceInput,
  type Placement,
} from '@worktrail/contract/sandbox-activities';
import type { RunnerDocument } from '@worktrail/contract/documents';
import { hasTurn, type WaitingSession } from './fair-places.ts';
import type { SlotHolder } from '../sessions/open-sandboxes.ts';

const promiseMsMax = 60_000;
const askAgainMsMax = 2_000;
const askAgainMsMin = 200;
/** Three times the longest pause: with more runners than one, not each try comes here. */
const waitingMsMax = 6_000;
const waitingMax = 2_000;

/** Another runner may have one, or this one later. */
export class NoFreeSlot extends Error {
  override readonly name = 'NoFreeSlot';
  /** When to ask again; undefined: as for any failure. */
  readonly askAgainMs: number | undefined;
  constructor(message: string, askAgainMs?: number) {
    super(message);
    this.askAgainMs = askAgainMs;
  }
}

/** The runner was told to drain. */
export class TakesNoSession extends Error {
  override readonly name = 'TakesNoSession';
}

/** A session that was refused for want of a place, and lately asked for one. */
interface RefusedSession extends WaitingSession {
  firstAskedMs: number;
}

/** Places, and memory, that those who wait for them lack together. */
export interface MissingPlaces {
  count: number;
  memoryMb: number;
}

export interface Placements {
  /** @throws NoFreeSlot */
  place(input: PlaceInput): Placement;
  /** Holds a place while `work` opens the session's sandbox. @throws NoFreeSlot, TakesNoSession */
  opening<T>(input: OpeningInput, work: () => Promise<T>): Promise<T>;
  slots(): RunnerDocument['slots'];
  /** For those that have waited so long. */
  missing(waitedMsMin: number): MissingPlaces;
}

export type OpeningInput = Pick<
  OpenSandboxInput,
  'organizationId' | 'sessionId' | 'environment' | 'waitingSince' | 'onlyHere'
>;

export interface PlacementDeps {
  runnerId: string;
  labels: Record<string, string>;
  sessionsMax: number;
  /** null: memory is not counted. */
  memoryMbMax: number | null;
  /** What keeps it from making sandboxes. */
  lacking(): RunnerDocument['unavailable'];
  isDraining(): boolean;
  /** Sessions that hold a container here. */
  occupied(): ReadonlyMap<string, Pick<SlotHolder, 'organizationId' | 'memoryMb'>>;
  clock: () => number;
}

type Holder = Pick<SlotHolder, 'organizationId' | 'memoryMb'>;

export function createPlacements(deps: PlacementDeps): Placements {
  const { runnerId, sessionsMax, memoryMbMax, clock } = deps;
  const promises = new Map<string, Holder & { untilMs: number }>();
  /** Openings that are under way. */
  const openings = new Map<object, Holder & { sessionId: string }>();
  const waiting = new Map<string, RefusedSession & { lastAskedMs: number }>();

  function taken(): Map<string, Holder> {
    for (const [sessionId, { untilMs }] of promises) if (untilMs < clock()) promises.delete(sessionId);
    const holders = new Map<string, Holder>(promises);
    for (const { sessionId, ...holder } of openings.values()) holders.set(sessionId, holder);
    for (const [sessionId, holder] of deps.occupied()) holders.set(sessionId, holder);
    return holders;
  }

  function freeBeside(holders: ReadonlyMap<string, Holder>) {
    const usedMb = sum(holders.values());
    return {
      count: sessionsMax - holders.size,
      memoryMb: memoryMbMax === null ? Infinity : memoryMbMax - usedMb,
      usedMb,
    };
  }

  function forgetThoseGone(): void {
    for (const [sessionId, { lastAskedMs }] of waiting)
      if (lastAskedMs + waitingMsMax < clock()) waiting.delete(sessionId);
  }

  function remember(session: WaitingSession): RefusedSession {
    const known = waiting.get(session.sessionId);
    const asked = { ...session, firstAskedMs: known?.firstAskedMs ?? clock(), lastAskedMs: clock() };
    if (known || waiting.size < waitingMax) waiting.set(session.sessionId, asked);
    return asked;
  }

  /** @throws NoFreeSlot that says what there is too little of. */
  function requirePlace({ organizationId, sessionId, environment, waitingSince }: PlaceInput | OpeningInput): Holder {
    const { memoryMb } = environment.resources;
    const holder = { organizationId, memoryMb };
    const holders = taken();
    if (holders.has(sessionId)) return holder;
    if (memoryMbMax !== null && memoryMb > memoryMbMax)
      throw new NoFreeSlot(
        `runner ${runnerId} gives sandboxes ${memoryMbMax} MiB of memory, and ${memoryMb} are asked`,
      );
    forgetThoseGone();
    const since = waitingSince === null ? NaN : Date.parse(waitingSince);
    const waitingSinceMs = Number.isNaN(since) ? (waiting.get(sessionId)?.waitingSinceMs ?? clock()) : since;
    const asked = remember({ ...holder, sessionId, waitingSinceMs });
    const free = freeBeside(holders);
    const held = countByOrganization(holders.values());
    if (hasTurn(sessionId, [...waiting.values()], held, free)) {
      waiting.delete(sessionId);
      return holder;
    }
    throw new NoFreeSlot(whyNot(memoryMb, free), pauseOf(asked));
  }

  function whyNot(memoryMb: number, free: { count: number; memoryMb: number }): string {
    if (free.count <= 0) return `all ${sessionsMax} slots of runner ${runnerId} are taken`;
    if (memoryMb > free.memoryMb)
      return `runner ${runnerId} has ${free.memoryMb} of its ${memoryMbMax} MiB of memory left, and ${memoryMb} are asked`;
    return `others that wait for a slot of runner ${runnerId} come first`;
  }

  function pauseOf({ firstAskedMs }: RefusedSession): number {
    return Math.min(askAgainMsMax, Math.max(askAgainMsMin, Math.round((clock() - firstAskedMs) / 2)));
  }

  return {
    place(input) {
      const { sessionId, environment } = input;
      const lacking = deps.lacking();
      if (lacking) throw new NoFreeSlot(`runner ${runnerId} lacks ${lacking.part}: ${lacking.detail}`);
      if (deps.isDraining()) throw new NoFreeSlot(`runner ${runnerId} drains`);
      const missing = Object.entries(environment.runnerLabels).find(([name, value]) => deps.labels[name] !== value);
      if (missing) throw new NoFreeSlot(`this runner has no label ${missing.join('=')}`);
      const holder = requirePlace(input);
      promises.set(sessionId, { ...holder, untilMs: clock() + promiseMsMax });
      return { runnerId, hostQueue: hostTaskQueue(runnerId) };
    },
    async opening(input, work) {
      const { sessionId } = input;
      if (deps.isDraining() && !input.onlyHere && !deps.occupied().has(sessionId))
        throw new TakesNoSession(`runner ${runnerId} drains`);
      const holder = requirePlace(input);
      const opening = {};
      openings.set(opening, { ...holder, sessionId });
      promises.delete(sessionId);
      try {
        return await work();
      } finally {
        openings.delete(opening);
      }
    },
    slots() {
      const holders = taken();
      const used = sum(holders.values());
      return { total: sessionsMax, used: holders.size, memoryMb: { total: memoryMbMax, used } };
    },
    missing(waitedMsMin) {
      forgetThoseGone();
      const free = freeBeside(taken());
      const refused = [...waiting.values()].filter(({ firstAskedMs }) => firstAskedMs + waitedMsMin <= clock());
      return {
        count: Math.max(0, refused.length - Math.max(0, free.count)),
        memoryMb: memoryMbMax === null ? 0 : Math.max(0, sum(refused) - Math.max(0, free.memoryMb)),
      };
    },
  };
}

function sum(holders: Iterable<Pick<Holder, 'memoryMb'>>): number {
  let total = 0;
  for (const { memoryMb } of holders) total += memoryMb;
  return total;
}

function countByOrganization(holders: Iterable<Pick<Holder, 'organizationId'>>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { organizationId } of holders) counts.set(organizationId, (counts.get(organizationId) ?? 0) + 1);
  return counts;
}
