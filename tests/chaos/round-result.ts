// What one round found.

import type { Violation } from './checks.ts';
import type { Fault, RoundPlan } from './faults.ts';

export interface RoundResult {
  plan: RoundPlan;
  violations: Violation[];
  commands: number;
  /** Commands that ended with their sandbox or host. */
  lostCommands: number;
  /** How often a session was put to sleep, and woken by its next command. */
  hibernations: number;
  forks: number;
  turns: number;
  /** How many ended as what. */
  proposals: Record<string, number>;
  bytes: number;
  events: number;
  /** Of a round with one fault: from the fault, or from its end where it lasts, until all worked again. */
  recovery: { fault: Fault; ms: number } | null;
  elapsedMs: number;
}

export function emptyResult(plan: RoundPlan): RoundResult {
  const counts = {
    commands: 0,
    lostCommands: 0,
    hibernations: 0,
    forks: 0,
    turns: 0,
    bytes: 0,
    events: 0,
    elapsedMs: 0,
  };
  return { plan, violations: [], ...counts, proposals: {}, recovery: null };
}
