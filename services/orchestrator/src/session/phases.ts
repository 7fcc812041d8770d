// The table of a session's life (API.md, Sessions): which state may follow which. `busy` is `ready` with live commands
// or turns.

import { changedForReaders } from './events.ts';
import type { SessionPhase, SessionState } from './state.ts';

export const followingPhases: Readonly<Record<SessionPhase, readonly SessionPhase[]>> = {
  creating: ['ready', 'failed', 'archived'],
  ready: ['hibernating', 'hibernated', 'resuming', 'failed', 'archived'],
  hibernating: ['hibernated', 'ready', 'resuming', 'failed', 'archived'],
  hibernated: ['resuming', 'failed', 'archived'],
  resuming: ['ready', 'hibernated', 'failed', 'archived'],
  failed: ['archived'],
  archived: [],
};

/** @throws when the table does not allow it, which is a mistake of the caller. */
export function enterPhase(state: SessionState, phase: SessionPhase): void {
  if (!followingPhases[state.phase].includes(phase)) {
    throw new Error(`a session that is ${state.phase} cannot become ${phase}`);
  }
  state.phase = phase;
  if (phase !== 'ready') state.busyRecorded = false;
  changedForReaders(state);
}

/** The sandbox is being made ready: placed, opened, set up. */
export function isPreparing(state: SessionState): boolean {
  return state.phase === 'creating' || state.phase === 'resuming';
}

/** No command will ever run again. */
export function isOver(state: SessionState): boolean {
  return state.phase === 'failed' || state.phase === 'archived' || state.archiveRequested;
}
