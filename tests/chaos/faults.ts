// Which fault comes when, and which ends of a command it allows.
//
// 1. A seed determines every round: its faults, what goes on when the first one comes and how far it is, the pauses between them.
// 2. Every kind of fault is dealt once before any comes again; every fourth round, on average, has two of them.
// 3. Only what takes a sandbox or its host with it may end a command other than by its own exit: nothing else may be noticed by a command.

import type { CommandOutcome } from '@worktrail/contract/commands';
import { createDraw } from './draw.ts';

export const PROCESSES = ['gateway', 'orchestrator', 'sandbox-runner', 'trace-store', 'nats', 'temporal'] as const;
export type FaultProcess = (typeof PROCESSES)[number];

/**
 * `cluster`: every process, the supervisor too; sandboxes go on. `machine`: the sandboxes and their engine as well. `runner`: the only
 * one of two that has sessions, killed and not started again until they live elsewhere.
 */
export type Component = FaultProcess | 'dockerd' | 'sandbox' | 'cluster' | 'machine' | 'runner';
export type Action = 'kill' | 'pause' | 'cut' | 'lose';

export interface FaultKind {
  action: Action;
  component: Component;
  /** Of the engine that is started after the kill; null where it does not matter. */
  liveRestore: boolean | null;
  /** How long it is paused, cut off or down. 0: it comes back as soon as it can. */
  lastMs: number;
}

export interface Fault extends FaultKind {
  /** After the fault before it, or after the trigger. */
  delayMs: number;
}

/** What goes on when the first fault comes. */
export type Phase = 'creating' | 'running' | 'archiving';

export interface RoundPlan {
  number: number;
  /** Of the round's work. */
  seed: string;
  phase: Phase;
  /** In phase `running`: the share of the slow command's output that was seen when the first fault comes. */
  triggerShare: number;
  faults: Fault[];
  /** Whose sandbox a fault of `sandbox` hits. */
  sandboxIndex: number;
  /** One more session has its files changed, reverted, forked and put up meanwhile. */
  withGit: boolean;
  /** The agent of one more does turns meanwhile. */
  withTurns: boolean;
}

const PAUSE_MS = 15_000;
const CUT_MS = 4_000;
export const DOWN_MS = 120_000;
const PAIR_SHARE_PERCENT = 25;
const SESSIONS = 3;
const PHASES: Phase[] = ['creating', 'archiving', ...Array.from({ length: 5 }, () => 'running' as const)];

function kind(action: Action, component: Component, lastMs = 0, liveRestore: boolean | null = null): FaultKind {
  return { action, component, liveRestore, lastMs };
}

export function faultName({ action, component, liveRestore }: FaultKind): string {
  return `${action} ${component}${liveRestore === false ? ' without live-restore' : ''}`;
}

export interface Scope {
  /** Names of components, or of kinds ("kill gateway"); empty: all. */
  only: readonly string[];
  /** Whether the engine is the driver's own, so that it can be killed. */
  ownEngine: boolean;
  downMs: number;
}

export function faultKinds(scope: Scope): FaultKind[] {
  const all = [
    ...PROCESSES.flatMap((name) => [kind('kill', name), kind('pause', name, PAUSE_MS), kind('cut', name, CUT_MS)]),
    kind('cut', 'dockerd', CUT_MS),
    kind('kill', 'sandbox'),
    kind('kill', 'cluster'),
    kind('lose', 'runner'),
  ];
  if (scope.ownEngine) {
    all.push(
      kind('kill', 'dockerd', 0, true),
      kind('kill', 'dockerd', 0, false),
      kind('pause', 'dockerd', PAUSE_MS),
      kind('kill', 'machine', scope.downMs, true),
    );
  }
  if (scope.only.length === 0) return all;
  return all.filter((one) => scope.only.includes(one.component) || scope.only.includes(faultName(one)));
}

/** The rounds of a seed, for ever. */
export function* planRounds(seed: string, kinds: readonly FaultKind[]): Generator<RoundPlan> {
  let deck: FaultKind[] = [];
  for (let number = 1; ; number++) {
    const draw = createDraw(`${seed}/plan/${number}`);
    const deal = () => {
      if (deck.length === 0) deck = draw.shuffle(kinds);
      return deck.pop()!;
    };
    const first = deal();
    const second = draw.below(100) < PAIR_SHARE_PERCENT ? deal() : null;
    const chosen = second && canFollow(first, second) ? [first, second] : [first];
    if (second && chosen.length === 1) deck.push(second);
    const needsWork = chosen.some(({ component }) => component === 'sandbox' || component === 'runner');
    yield {
      number,
      seed: `${seed}/${number}`,
      phase: needsWork ? 'running' : draw.pick(PHASES),
      triggerShare: draw.between(10, 60) / 100,
      faults: chosen.map((one) => ({ ...one, delayMs: draw.between(0, 3_000) })),
      sandboxIndex: draw.below(SESSIONS),
      withGit: true,
      withTurns: true,
    };
  }
}

/**
 * What is down altogether cannot be hit again; what is paused or cut cannot be hit twice. How soon a lost runner is missed is promised
 * only while nothing else interrupts those who watch it.
 */
function canFollow(first: FaultKind, second: FaultKind): boolean {
  const whole = ({ component }: FaultKind) => ['machine', 'cluster', 'runner'].includes(component);
  return !whole(first) && !whole(second) && first.component !== second.component;
}

/** How a command of the session at `sessionIndex` may end. */
export function allowedOutcomes(plan: RoundPlan, sessionIndex: number): CommandOutcome[] {
  const loses = (fault: Fault) =>
    fault.component === 'machine' ||
    (fault.component === 'dockerd' && fault.action === 'kill' && fault.liveRestore === false) ||
    (fault.component === 'sandbox' && sessionIndex === plan.sandboxIndex);
  if (losesRunner(plan)) return ['exited', 'host_lost'];
  return plan.faults.some(loses) ? ['exited', 'sandbox_lost'] : ['exited'];
}

export function losesRunner(plan: RoundPlan): boolean {
  return plan.faults.some(({ action }) => action === 'lose');
}
