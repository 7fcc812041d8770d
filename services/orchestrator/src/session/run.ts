// One run of a session workflow: its state, and what it has under way. Only the state survives continue-as-new.

import { CancellationScope, isCancellation } from '@temporalio/workflow';
import type { Underway } from './next-step.ts';
import type { SessionState } from './state.ts';

export type Activity = 'sandbox' | 'recording' | 'reporting' | 'settling' | { command: string };

export interface SessionRun {
  readonly state: SessionState;
  /** Updates handled in this run. */
  updates: number;
  underway(): Underway;
  /** Begins something; it is under way until `work` ends. To be stopped is no failure. */
  begin(activity: Activity, work: () => Promise<void>): void;
  /** Asks it to stop; it stays under way until it has. */
  interrupt(activity: Activity): void;
  /** Stops it and forgets it at once. */
  abandon(activity: Activity): void;
}

export function createSessionRun(state: SessionState): SessionRun {
  const scopes = new Map<string, CancellationScope>();
  return {
    state,
    updates: 0,
    underway: () => ({
      following: state.commands.map(({ spec }) => spec.id).filter((id) => scopes.has(id)),
      sandbox: scopes.has('sandbox'),
      recording: scopes.has('recording'),
      reporting: scopes.has('reporting'),
      settling: scopes.has('settling'),
    }),
    begin: (activity, work) => {
      const name = nameOf(activity);
      const scope = new CancellationScope();
      scopes.set(name, scope);
      const end = () => {
        if (scopes.get(name) === scope) scopes.delete(name);
      };
      void unlessCanceled(scope.run(work)).finally(end);
    },
    interrupt: (activity) => scopes.get(nameOf(activity))?.cancel(),
    abandon: (activity) => {
      const scope = scopes.get(nameOf(activity));
      scopes.delete(nameOf(activity));
      scope?.cancel();
    },
  };
}

function nameOf(activity: Activity): string {
  return typeof activity === 'string' ? activity : activity.command;
}

async function unlessCanceled(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!isCancellation(error)) throw error;
  }
}

/** The workflow's clock. */
export function now(): string {
  return new Date().toISOString();
}
