// One run of a session workflow: its state, and what it has under way. Only the state survives continue-as-new.

import { type Background, createBackground } from '../background.ts';
import type { Underway } from './next-step.ts';
import type { SessionState } from './state.ts';

export interface SessionRun {
  readonly state: SessionState;
  readonly background: Background;
  /** Updates handled in this run. */
  updates: number;
  /** The history's length in the workflow task that handled the latest. */
  updatedAtLength: number;
  /** How long what goes on by itself is waited for before that is said. */
  readonly answerPatienceMs: number;
  /** Updates that wait for a hibernation, a checkpoint, a revert or a file. */
  waiting: number;
  /** What the one timer is set for; null: there is none. */
  alarmAtMs: number | null;
}

/** Names of what a session has under way; a command that is followed goes by its id. */
export type SessionActivity =
  | 'sandbox'
  | 'checkpoint'
  | 'reverting'
  | 'changing'
  | 'model'
  | 'agent'
  | 'tool'
  | 'updating'
  | 'endingLost'
  | 'endingLeft'
  | 'recording'
  | 'reporting'
  | 'alarm';

export function createSessionRun(state: SessionState, answerPatienceMs: number): SessionRun {
  const background = createBackground();
  return { state, background, updates: 0, updatedAtLength: -1, answerPatienceMs, waiting: 0, alarmAtMs: null };
}

export function underwayIn({ state, background, alarmAtMs }: SessionRun): Underway {
  const has = (activity: SessionActivity) => background.has(activity);
  return {
    following: state.commands.map(({ spec }) => spec.id).filter((id) => background.has(id)),
    sandbox: has('sandbox'),
    checkpoint: has('checkpoint'),
    reverting: has('reverting'),
    changing: has('changing'),
    model: has('model'),
    agent: has('agent'),
    tool: has('tool'),
    updating: has('updating'),
    endingLost: has('endingLost'),
    endingLeft: has('endingLeft'),
    recording: has('recording'),
    reporting: has('reporting'),
    alarmAtMs,
  };
}
