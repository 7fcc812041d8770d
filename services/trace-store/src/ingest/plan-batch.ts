// Which events of a batch are stored: every event once, in order, nothing after a hole lost, and every hole named.
//
// 1. An event at or below its producer's mark is a duplicate and dropped, also within the batch.
// 2. An event that does not follow its producer's mark is stored, and the hole before it named, unless it is the gap that stands for it.
// 3. `marks` after the batch are those of the events that are stored; the given marks are not changed.

import type { ParsedEvent } from './parse-event.ts';

/** Numbers that are missing in a producer. */
export interface Hole {
  fromNumber: number;
  toNumber: number;
  /** The event that shows it: its first after the missing ones. */
  before: ParsedEvent;
  /** The event before the missing ones, where that is in the same batch. */
  previous: ParsedEvent | undefined;
}

export interface BatchPlan {
  store: ParsedEvent[];
  duplicates: number;
  /** By the event before which it is. */
  holes: Map<ParsedEvent, Hole>;
  /** By producer key, for what is stored. */
  marks: Map<string, number>;
}

/** `markOf`: the stored number of a producer, 0 where nothing is stored. */
export function planBatch(events: readonly ParsedEvent[], markOf: (key: string) => number): BatchPlan {
  const plan: BatchPlan = { store: [], duplicates: 0, holes: new Map(), marks: new Map() };
  const last = new Map<string, ParsedEvent>();
  for (const parsed of events) {
    const key = parsed.producerKey;
    const mark = plan.marks.get(key) ?? markOf(key);
    if (parsed.number <= mark) {
      plan.duplicates++;
      continue;
    }
    if (parsed.number > mark + 1 && !standsFrom(parsed, mark + 1)) {
      const range = { fromNumber: mark + 1, toNumber: parsed.number - 1 };
      plan.holes.set(parsed, { ...range, before: parsed, previous: last.get(key) });
    }
    plan.store.push(parsed);
    plan.marks.set(key, parsed.number);
    last.set(key, parsed);
  }
  return plan;
}

/** A gap that was found before, and is stored again elsewhere, says itself what is missing before it. */
function standsFrom({ event, payload, number }: ParsedEvent, from: number): boolean {
  if (payload.case !== 'gap' || payload.value.producer !== event.producer) return false;
  return Number(payload.value.fromNumber) === from && Number(payload.value.toNumber) === number;
}
