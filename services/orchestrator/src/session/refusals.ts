// Why a session does not do what it is asked, in error codes of the contract.

import { ApplicationFailure } from '@temporalio/common';
import type { ErrorCode } from '@worktrail/contract/errors';
import { isOver } from './phases.ts';
import type { SessionState } from './state.ts';

export function refuse(code: ErrorCode, detail: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(detail, code);
}

export function refuseOver(state: SessionState): void {
  if (state.phase === 'failed')
    throw refuse('session_failed', `the session has failed: ${state.failure?.detail ?? ''}`);
  if (isOver(state)) throw refuse('session_archived', 'the session is archived');
}

/** A session that has failed has what it stored. */
export function refuseArchived(state: SessionState): void {
  if (state.phase === 'archived') throw refuse('session_archived', 'the session is archived');
}

export function describeBusy(state: SessionState): string {
  if (state.commands.length > 0)
    return `a command is live: ${state.commands[0]?.spec.id}${state.commands.length > 1 ? `, and ${state.commands.length - 1} more` : ''}`;
  const turn = state.turns.live[0];
  if (turn) return `turn ${turn.spec.id} is under way`;
  if (state.reverting.plan) return 'it is being reverted';
  if (state.updating) return 'the default branch is being brought in';
  return state.changing.asked.length > 0 ? 'a file of it is being changed' : `the session is ${state.phase}`;
}
