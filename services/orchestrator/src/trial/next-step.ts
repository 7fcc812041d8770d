// What a trial does next, decided from its state and from what is under way in this run of the workflow.

import { plannedNow } from './attempts.ts';
import { budgetEndsAtMs } from './budget.ts';
import type { AttemptState, TrialState } from './state.ts';

export interface TrialUnderway {
  /** Attempts whose session is being started, or told something. */
  talking: readonly number[];
  /** Attempts whose running command or turn is being waited for. */
  listening: readonly number[];
  /** The end of its time is being waited for. */
  timing: boolean;
  recording: boolean;
}

export type TrialStep =
  | { do: 'begin'; attempt: number }
  | { do: 'startSession'; attempt: number }
  | { do: 'choose'; attempt: number }
  | { do: 'send'; attempt: number }
  /** Wait for the end of the command or turn for a time, then send it again. */
  | { do: 'listen'; attempt: number }
  /** The end came: wait no more. */
  | { do: 'stopListening'; attempt: number }
  | { do: 'pass'; attempt: number }
  | { do: 'stop'; attempt: number }
  | { do: 'time'; atMs: number }
  | { do: 'conclude' }
  | { do: 'record' }
  | { do: 'complete' };

export function nextTrialStep(state: TrialState, underway: TrialUnderway): TrialStep | null {
  for (let attempt = 0; attempt < state.attempts.length; attempt++) {
    const step = nextAttemptStep(state, attempt, underway);
    if (step) return step;
  }
  if (state.state === 'running' && state.attempts.every(({ phase }) => phase === 'ended')) return { do: 'conclude' };
  const atMs = budgetEndsAtMs(state);
  if (state.state === 'running' && !underway.timing && atMs < Infinity) return { do: 'time', atMs };
  if (!underway.recording && state.version > state.recordedVersion) return { do: 'record' };
  return isTrialOver(state, underway) ? { do: 'complete' } : null;
}

function nextAttemptStep(state: TrialState, index: number, underway: TrialUnderway): TrialStep | null {
  const attempt = state.attempts[index]!;
  const awaited = isAwaited(attempt);
  if (underway.listening.includes(index) && !awaited) return { do: 'stopListening', attempt: index };
  if (underway.talking.includes(index)) return null;
  if (attempt.toStop !== null) return { do: 'stop', attempt: index };
  if (state.state !== 'running') return null;
  if (attempt.phase === 'pending') return hasRoom(state) ? { do: 'begin', attempt: index } : null;
  if (attempt.phase === 'ended') return null;
  if (attempt.session === 'unstarted') return { do: 'startSession', attempt: index };
  if (attempt.session === 'started') return null;
  if (attempt.current && !attempt.current.sent) return { do: 'send', attempt: index };
  if (attempt.current) return underway.listening.includes(index) ? null : { do: 'listen', attempt: index };
  return { do: plannedNow(state, index) ? 'choose' : 'pass', attempt: index };
}

function isAwaited({ phase, current }: AttemptState): boolean {
  return phase === 'running' && current !== null && current.sent;
}

function hasRoom(state: TrialState): boolean {
  const running = state.attempts.filter(({ phase }) => phase === 'running').length;
  return running < Math.max(1, state.spec.maxParallel);
}

function isTrialOver(state: TrialState, underway: TrialUnderway): boolean {
  return state.state !== 'running' && underway.talking.length === 0 && !underway.recording;
}

/** Nothing is half done that a new run would have to know of. */
export function isTrialQuiet(state: TrialState, underway: TrialUnderway): boolean {
  return underway.talking.length === 0 && !underway.recording && state.version === state.recordedVersion;
}
