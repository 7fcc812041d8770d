// The life of a session, one function for each thing that can happen to it. A repeated or late report changes nothing.

import type { CommandResult } from '@worktrail/contract/commands';
import type { SessionFailureCode } from '@worktrail/contract/errors';
import type { OpenedSandbox, Placement } from '@worktrail/contract/sandbox-activities';
import type { PatchSessionRequest } from '@worktrail/contract/session-messages';
import { trialWorkflowId } from '@worktrail/contract/trial-messages';
import { closeCommand, endUnstarted, findLive } from './commands.ts';
import { addSessionEvent, changed, changedForReaders } from './events.ts';
import { enterPhase, isOver, isPreparing } from './phases.ts';
import type { SessionState } from './state.ts';

export const setupRetriesMax = 5;

export function created(state: SessionState, now: string): void {
  const { spec } = state;
  const value = {
    title: spec.title,
    taskId: spec.taskId ?? '',
    trialId: spec.trialId ?? '',
    branch: spec.branch,
    baseRef: spec.baseRef ?? '',
    labels: spec.labels,
  };
  addSessionEvent(state, now, { case: 'sessionCreated', value }, spec.createdBy);
}

export function placed(state: SessionState, placement: Placement, now: string): void {
  if (!isPreparing(state) || state.placement) return;
  state.placement = placement;
  state.generation += 1;
  const value = { runnerId: placement.runnerId, generation: state.generation };
  addSessionEvent(state, now, { case: 'sessionPlaced', value });
}

/** `generation`: the one that was asked for. */
export function opened(state: SessionState, generation: number, sandbox: OpenedSandbox): void {
  if (!isPreparing(state) || generation !== state.generation) return;
  state.sandboxOpen = true;
  state.baseCommit = sandbox.baseCommit;
  state.headCommit = sandbox.headCommit;
  state.openedFrom = sandbox.from;
  // A workspace that was made anew has nothing in it of what setup did.
  if (sandbox.from === 'new') state.setup.done = 0;
  changed(state);
}

/** Placed, opened and set up: commands may run. */
export function becameReady(state: SessionState, now: string): void {
  const resumed = state.phase === 'resuming';
  enterPhase(state, 'ready');
  if (resumed) {
    const value = { runnerId: state.placement?.runnerId ?? '', restoredFrom: state.openedFrom ?? '' };
    addSessionEvent(state, now, { case: 'sessionResumed', value });
  }
  addReady(state, now);
  if (!resumed) reportSession(state, 'ready');
}

export function commandEnded(state: SessionState, commandId: string, result: CommandResult, now: string): void {
  const command = findLive(state, commandId);
  if (!command || !closeCommand(state, commandId, result, now)) return;
  if (command.spec.origin === 'setup') setupEnded(state, command.spec.command, result, now);
  if (state.commands.length === 0 && state.busyRecorded) {
    state.busyRecorded = false;
    addReady(state, now);
  }
}

/** A runner will not run the command: it was never started in the sandbox that was meant. */
export function commandNotStarted(
  state: SessionState,
  commandId: string,
  from: { generation: number; sandboxGone: boolean },
  now: string,
): void {
  const command = findLive(state, commandId);
  if (command?.state !== 'running') return;
  if (command.cancelReason !== null) endUnstarted(state, command, 'canceled', command.cancelReason, now);
  else if (isOver(state)) endUnstarted(state, command, 'failed_to_start', 'session_failed', now);
  else command.state = 'queued';
  if (from.sandboxGone && from.generation === state.generation) sandboxLost(state, now);
  changed(state);
}

function sandboxLost(state: SessionState, now: string): void {
  if (!state.sandboxOpen || isOver(state)) return;
  state.sandboxOpen = false;
  state.generation += 1;
  if (state.phase === 'ready') {
    enterPhase(state, 'resuming');
    addSessionEvent(state, now, { case: 'sessionResuming', value: { reason: 'sandbox_gone' } });
  }
}

/** A runner took the sandbox down on purpose and kept its volume. */
export function sandboxStopped(state: SessionState, generation: number, reason: string, now: string): void {
  if (generation !== state.generation || isOver(state) || state.phase === 'hibernated') return;
  state.sandboxOpen = false;
  if (state.phase === 'creating') {
    state.generation += 1;
    return changed(state);
  }
  enterPhase(state, 'hibernated');
  addSessionEvent(state, now, { case: 'sessionHibernated', value: { reason, keptIn: 'volume' } });
}

/** Back to work, on the host that keeps the volume. */
export function resumed(state: SessionState, reason: string, now: string): void {
  enterPhase(state, 'resuming');
  state.generation += 1;
  addSessionEvent(state, now, { case: 'sessionResuming', value: { reason } });
}

export function failed(state: SessionState, code: SessionFailureCode, detail: string, now: string): void {
  if (isOver(state)) return;
  enterPhase(state, 'failed');
  state.failure = { code, detail };
  state.sandboxOpen = false;
  addSessionEvent(state, now, { case: 'sessionFailed', value: state.failure });
  for (const command of state.commands) {
    if (command.state === 'queued') endUnstarted(state, command, 'failed_to_start', 'session_failed', now);
  }
  reportSession(state, 'failed');
}

/** Whether title and labels are still what the asker has seen. */
export function isAsSeen({ title, labels }: SessionState, { seen }: PatchSessionRequest): boolean {
  if (!seen) return true;
  const names = Object.keys(labels);
  const sameLabels =
    names.length === Object.keys(seen.labels).length && names.every((name) => labels[name] === seen.labels[name]);
  return seen.title === title && sameLabels;
}

export function patched(state: SessionState, patch: PatchSessionRequest): void {
  state.title = patch.title ?? state.title;
  state.labels = patch.labels ?? state.labels;
  changedForReaders(state);
}

export function archiveRequested(state: SessionState): void {
  state.archiveRequested = true;
  changed(state);
}

export function sandboxRemoved(state: SessionState): void {
  state.sandboxRemoved = true;
  state.sandboxOpen = false;
  changed(state);
}

export function archived(state: SessionState, now: string): void {
  enterPhase(state, 'archived');
  addSessionEvent(state, now, { case: 'sessionArchived', value: {} });
  reportSession(state, 'archived');
}

/** Tells a trial how the session stands; by default the session's own, if it has one. */
export function reportSession(
  state: SessionState,
  as: 'ready' | 'failed' | 'archived',
  to: string | null = state.spec.trialId && trialWorkflowId(state.spec.trialId),
): void {
  if (to === null) return;
  const repeated = state.reports.some(
    (report) => report.about === 'session' && report.to === to && report.state === as,
  );
  if (!repeated) state.reports.push({ about: 'session', to, state: as });
}

function addReady(state: SessionState, now: string): void {
  const value = {
    branch: state.spec.branch,
    baseCommit: state.baseCommit ?? '',
    headCommit: state.headCommit ?? '',
  };
  addSessionEvent(state, now, { case: 'sessionReady', value });
}

function setupEnded(state: SessionState, command: string, result: CommandResult, now: string): void {
  if (!isPreparing(state)) return;
  if (result.outcome === 'exited' && result.exitCode === 0) {
    state.setup.done += 1;
  } else if (isLostWithSandbox(result) && state.setup.retries < setupRetriesMax) {
    state.setup.retries += 1;
  } else {
    failed(state, 'setup_failed', describeSetupFailure(state, command, result), now);
  }
}

/** A runner ended it because the cluster stops; or its supervisor, which was stopped with it still running. */
const stopReasons: ReadonlySet<string> = new Set(['cluster_stopped', 'supervisor_stopped']);

/** The command did not fail: what it ran in went away. */
function isLostWithSandbox(result: CommandResult): boolean {
  if (result.outcome === 'sandbox_lost' || result.outcome === 'host_lost') return true;
  return result.outcome === 'canceled' && stopReasons.has(result.reason ?? '');
}

function describeSetupFailure(state: SessionState, command: string, result: CommandResult): string {
  const which = `setup command ${state.setup.done + 1} of ${state.spec.environment.setup.length}`;
  const how = result.outcome === 'exited' ? `exited with ${result.exitCode}` : `ended as ${result.outcome}`;
  return `${which} (${JSON.stringify(command.slice(0, 200))}) ${how}`;
}
