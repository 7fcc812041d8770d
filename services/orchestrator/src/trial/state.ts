// What a trial workflow knows: one plain JSON value, carried over continue-as-new.
//
// 1. `JSON.parse(JSON.stringify(state))` is the same state.
// 2. The functions of `attempts` are its only writers; they read no clock and do no I/O.

import type { TrialDocument, TrialSessionDocument, Verdict } from '@worktrail/contract/documents';
import type { TrialSpec } from '@worktrail/contract/trial-messages';
import type { TurnOutcome, TurnUsage } from '@worktrail/contract/turns';
import { usageOf } from './budget.ts';

export interface AttemptState {
  phase: TrialSessionDocument['state'];
  session: 'unstarted' | 'started' | 'ready';
  /** How many steps of the plan have succeeded. */
  done: number;
  /**
   * The command or turn that runs. `sent`: the session was told of it. `asks`: how often it was told again after a long silence.
   */
  current: { id: string; sent: boolean; asks: number; queuedAt: string } | null;
  commandIds: string[];
  /** The turn of its message, once that was sent. `outcome`: null while it goes on. */
  turn: { id: string; outcome: TurnOutcome | null; usage: TurnUsage } | null;
  verdict: Verdict | null;
  reason: string | null;
  /** The session's history has it. */
  verdictRecorded?: boolean;
  /** What the session is still to be told to stop. */
  toStop: { what: 'command' | 'turn'; id: string; reason: string } | null;
  startedAt: string | null;
  endedAt: string | null;
}

export interface TrialState {
  spec: TrialSpec;
  state: TrialDocument['state'];
  attempts: AttemptState[];
  /** Why it ended before each attempt had run its course. */
  reason: string | null;
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
      turn: null,
      verdict: null,
      reason: null,
      toStop: null,
      startedAt: null,
      endedAt: null,
    })),
    reason: null,
    endedAt: null,
    version: 1,
    recordedVersion: 0,
  };
}

/**
 * For a query. That may be answered from a task of the workflow that is lost afterwards, and done again with other ids: a command is told of
 * once its session was, which is known only in a later task. What is recorded is of no task that was lost.
 */
export function describedTrial(state: TrialState): TrialDocument {
  const document = trialDocument(state);
  const sessions = document.sessions.map((session, index) => {
    const { current } = state.attempts[index]!;
    if (!current || current.sent || current.asks > 0) return session;
    return { ...session, commandIds: session.commandIds.filter((id) => id !== current.id) };
  });
  return { ...document, sessions };
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
    reason: state.reason,
    stopWhen: spec.stopWhen ?? null,
    budget: spec.budget ?? {},
    usage: usageOf(state),
    sessions: spec.attempts.map(({ session }, index) => {
      const { phase, verdict, reason, commandIds, turn, startedAt, endedAt } = state.attempts[index]!;
      const turnId = turn?.id ?? null;
      const { sessionId, title } = session;
      return { sessionId, title, state: phase, verdict, reason, commandIds, turnId, startedAt, endedAt };
    }),
    createdAt: spec.createdAt,
    endedAt: state.endedAt,
  };
}
