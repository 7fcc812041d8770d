// What a session does next, decided from its state and from what is under way in this run of the workflow.
// Following commands comes first: nothing may stand between an accepted command and its start.

import { isUnsettled, startableCommand } from './commands.ts';
import { isPreparing } from './phases.ts';
import { recordIsDue } from './record.ts';
import type { SessionState } from './state.ts';

/** What this run of the workflow has begun and not finished; a new run begins with nothing. */
export interface Underway {
  following: readonly string[];
  /** Placing, opening or removing the sandbox. */
  sandbox: boolean;
  recording: boolean;
  reporting: boolean;
  settling: boolean;
}

export type Step =
  /** Start the command, or attach to it again. */
  | { do: 'follow'; commandId: string }
  | { do: 'place' }
  | { do: 'open' }
  | { do: 'setup'; command: string }
  | { do: 'becomeReady' }
  | { do: 'resume' }
  | { do: 'remove' }
  | { do: 'archive' }
  | { do: 'record' }
  | { do: 'report' }
  /** Wait a moment, then write down what is still so. */
  | { do: 'settle' }
  /** It has passed: nothing to write down. */
  | { do: 'unsettle' }
  | { do: 'complete' };

export function nextStep(state: SessionState, underway: Underway): Step | null {
  const commandId = commandToFollow(state, underway);
  if (commandId !== undefined) return { do: 'follow', commandId };
  const sandboxStep = underway.sandbox ? null : nextSandboxStep(state);
  if (sandboxStep) return sandboxStep;
  if (!underway.recording && recordIsDue(state)) return { do: 'record' };
  if (!underway.reporting && state.reports.length > 0) return { do: 'report' };
  const unsettled = isUnsettled(state);
  if (unsettled !== underway.settling) return { do: unsettled ? 'settle' : 'unsettle' };
  return isComplete(state, underway) ? { do: 'complete' } : null;
}

function commandToFollow(state: SessionState, underway: Underway): string | undefined {
  const dropped = state.commands.find(
    (command) => command.state === 'running' && !underway.following.includes(command.spec.id),
  );
  return (dropped ?? startableCommand(state))?.spec.id;
}

function nextSandboxStep(state: SessionState): Step | null {
  if (state.phase === 'archived') return null;
  const leftBehind = state.placement !== null && !state.sandboxRemoved;
  if (state.archiveRequested) return { do: leftBehind ? 'remove' : 'archive' };
  if (state.phase === 'failed') return leftBehind ? { do: 'remove' } : null;
  if (isPreparing(state)) return nextPreparation(state);
  const wanted = state.commands.some((command) => command.state === 'queued');
  return state.phase === 'hibernated' && wanted ? { do: 'resume' } : null;
}

function nextPreparation(state: SessionState): Step | null {
  if (!state.placement) return { do: 'place' };
  if (!state.sandboxOpen) return { do: 'open' };
  if (state.commands.some((command) => command.spec.origin === 'setup')) return null;
  const command = state.spec.environment.setup[state.setup.done];
  return command === undefined ? { do: 'becomeReady' } : { do: 'setup', command };
}

function isComplete(state: SessionState, underway: Underway): boolean {
  const busy = underway.sandbox || underway.recording || underway.reporting || underway.following.length > 0;
  return state.phase === 'archived' && state.commands.length === 0 && !busy;
}

/** Nothing is half done that a new run would have to know of: what is left is in the state. */
export function isQuiet(state: SessionState, underway: Underway): boolean {
  const busy = underway.sandbox || underway.recording || underway.reporting;
  return !busy && !recordIsDue(state) && state.reports.length === 0;
}
