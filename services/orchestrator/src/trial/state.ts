// What a trial workflow knows: one plain JSON value, carried over continue-as-new.
//
// 1. `JSON.parse(JSON.stringify(state))` is the same state.
// 2. The functions of `attempts` are its only writers; they read no clock and do no I/O.

import type { TrialDocument, TrialSessionDocument, Verdict } from '@worktrail/contract/documents';
import type { TrialSpec } from '@worktrail/contract/trial-messages';

export interface AttemptState {
  phase: TrialSessionDocument['state'];
  session: 'unstarted' | 'started' | 'ready';
  /** How many commands of the plan have succeeded. */
  done: number;
  /** The one that runs. `sent`: the session was told of it. `asks`: how often it was told again after a long silence. */
  current: { commandId: string; sent: boolean; asks: number; queuedAt: string } | null;
  commandIds: string[];
  verdict: Verdict | null;
  reason: string | null;
  /** A command that the session is still to be told to stop. */
  toStop: string | null;
  startedAt: string | null;
  endedAt: string | null;
}

export interface TrialState {
  spec: TrialSpec;
  state: TrialDocument['state'];
  attempts: AttemptState[];
  endedAt: string | null;
  /** Counts changes; the read model has `recordedVersion`. */
  version: number;
  recordedVersion: number;
}

export function newTrialState(spec: TrialSpec): TrialState {
  return {
    spec,
    state: 'running',
    attempts: spec.attempts.map(() => ({
      phase: 'pending',
      session: 'unstarted',
      done: 0,
      current: null,
      commandIds: [],
      verdict: null,
      reason: null,
      toStop: null,
      startedAt: null,
      endedAt: null,
    })),
    endedAt: null,
    version: 1,
    recordedVersion: 0,
  };
}

export function trialDocument(state: TrialState): TrialDocument {
  const { spec } = state;
  return {
    version: state.version,
    id: spec.trialId,
    organizationId: spec.organizationId,
    projectId: spec.projectId,
    taskId: spec.taskId,
    name: spec.name,
    state: state.state,
    sessions: spec.attempts.map(({ session }, index) => {
      const { phase, verdict, reason, commandIds, startedAt, endedAt } = state.attempts[index]!;
      const { sessionId, title } = session;
      return { sessionId, title, state: phase, verdict, reason, commandIds, startedAt, endedAt };
    }),
    createdAt: spec.createdAt,
    endedAt: state.endedAt,
  };
}
