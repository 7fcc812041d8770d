// The life of a session, one function for each thing that can happen to it. A repeated or late report changes nothing.

import type { AgentTurnResult } from '@worktrail/contract/agent-turns';
import { type AgentLimits, agentLimitsNone } from '@worktrail/contract/agents';
import type { CommandResult } from '@worktrail/contract/commands';
import type { ErrorCode, SessionFailureCode } from '@worktrail/contract/errors';
import type { OpenedSandbox, Placement } from '@worktrail/contract/sandbox-activities';
import type { PatchSessionRequest, UpdatedFiles, UpdateSessionRequest } from '@worktrail/contract/session-messages';
import { trialWorkflowId } from '@worktrail/contract/trial-messages';
import { askedCheckpointsRefused, checkpointFailed, filesTouched } from './checkpoints.ts';
import { closeCommand, endUnstarted, findLive, settledAgain, turnShown } from './commands.ts';
import { addReady, addSessionEvent, changed, changedForReaders } from './events.ts';
import { forked } from './forks.ts';
import { fallAsleep, hibernationLost, isAgentAtWork } from './hibernation.ts';
import { fileChangeRefused, fileChangesRefused } from './file-changes.ts';
import { enterPhase, isOver, isPreparing } from './phases.ts';
import { revertFailed, revertGivenUp, revertReopened } from './reverts.ts';
import type { LiveCommandState, SessionState } from './state.ts';
import { turnEnded } from './turn-ends.ts';
import { toolCommandEnded } from './turn-tools.ts';
import { agentAsked, agentEnded } from './turns.ts';

export const setupRetriesMax = 5;
const updatedMax = 4;

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
  if (!spec.fork) state.waitingForPlaceSince = now;
  addSessionEvent(state, now, { case: 'sessionCreated', value }, spec.createdBy);
  if (spec.fork) forked(state, spec.fork, now);
}

export function placed(state: SessionState, placement: Placement, now: string): void {
  if (!isPreparing(state) || state.placement) return;
  state.placement = placement;
  state.generation += 1;
  state.placedGeneration = state.generation;
  state.waitingForPlaceSince = null;
  const value = { runnerId: placement.runnerId, generation: state.generation };
  addSessionEvent(state, now, { case: 'sessionPlaced', value });
}

/** Its host has no slot for it now. */
export function hostIsFull(state: SessionState, now: string): void {
  if (!isPreparing(state) || state.waitingForPlaceSince !== null) return;
  state.waitingForPlaceSince = now;
  changedForReaders(state);
}

/** Nobody has taken it for a while: the history tells so, once for each wait. */
export function waitedForPlace(state: SessionState, why: string, now: string): void {
  const { waitingForPlaceSince: since } = state;
  if (since === null || isWaitTold(state) || isOver(state)) return;
  state.waitToldSince = since;
  addSessionEvent(state, now, { case: 'limitReached', value: { limit: 'runner_slots', detail: why } });
}

export function isWaitTold({ waitingForPlaceSince, waitToldSince }: SessionState): boolean {
  return waitingForPlaceSince !== null && waitingForPlaceSince === waitToldSince;
}

/** Its host does not take it: any other may. */
export function placementGivenUp(state: SessionState, now: string): void {
  if (!isPreparing(state)) return;
  state.placement = null;
  state.waitingForPlaceSince ??= now;
  changedForReaders(state);
}

/** `generation`: the one that was asked for. */
export function opened(state: SessionState, generation: number, sandbox: OpenedSandbox, now: string): void {
  if (!isPreparing(state) || generation !== state.generation || state.sandboxOpen) return;
  const notKept = notKeptBy(state, sandbox);
  state.sandboxOpen = true;
  state.waitingForPlaceSince = null;
  state.baseCommit = sandbox.baseCommit;
  state.headCommit = sandbox.headCommit;
  state.openedFrom = sandbox.from;
  if (needsSetup(state, sandbox)) state.setup.done = 0;
  if (
    state.phase === 'resuming' &&
    (sandbox.from === 'archive' || sandbox.from === 'checkpoint' || notKept.length > 0)
  ) {
    const checkpointId = sandbox.from === 'checkpoint' ? (state.checkpoint?.id ?? '') : '';
    const value = { checkpointId, runnerId: state.placement?.runnerId ?? '', notKept };
    addSessionEvent(state, now, { case: 'sessionRestored', value });
  }
  if (needsSetup(state, sandbox) || state.changesLost) filesTouched(state, now);
  revertReopened(state, sandbox.from);
  state.filesGeneration = generation;
  state.archive = null;
  state.changesLost = false;
  // What other hosts have of the files is out of date from now on.
  changedForReaders(state);
}

/** A workspace that was made from commits has nothing in it of what setup did beside them. */
function needsSetup({ archive }: SessionState, { from }: OpenedSandbox): boolean {
  return from === 'new' || from === 'checkpoint' || (from === 'archive' && archive?.kind === 'persist');
}

/** For people: what of its files a session that goes on has lost. */
function notKeptBy(state: SessionState, sandbox: OpenedSandbox): string[] {
  if (state.filesGeneration === 0 || sandbox.from === 'volume') return sandbox.notKept;
  const notKept = [...sandbox.notKept];
  if (sandbox.from === 'new') notKept.push('everything since the session was created');
  else if (state.changesLost) notKept.push(`changes after checkpoint ${state.checkpoint?.number ?? 0}`);
  if (needsSetup(state, sandbox) && state.spec.environment.setup.length > 0) {
    notKept.push('what the setup commands had made, which run again');
  }
  return notKept;
}

/** Placed, opened and set up: commands may run. */
export function becameReady(state: SessionState, now: string): void {
  const resumed = state.phase === 'resuming';
  enterPhase(state, 'ready');
  state.readySince = now;
  state.setup.retries = 0;
  state.hibernation.resumeWanted = false;
  // Whatever the setup commands have made, and that there is one at all.
  if (state.checkpoint === null) filesTouched(state, now);
  if (resumed) {
    const value = { runnerId: state.placement?.runnerId ?? '', restoredFrom: state.openedFrom ?? '' };
    addSessionEvent(state, now, { case: 'sessionResumed', value });
  }
  addReady(state, now);
  turnShown(state, now);
  if (!resumed) reportSession(state, 'ready');
}

export function commandEnded(state: SessionState, commandId: string, result: CommandResult, now: string): void {
  const command = findLive(state, commandId);
  if (!command) return;
  if (command.state === 'running') {
    state.lastEndedCommandId = commandId;
    filesTouched(state, now);
  }
  closeCommand(state, commandId, result, now);
  if (command.spec.origin === 'setup') setupEnded(state, command, result, now);
  if (command.spec.origin === 'agent') toolCommandEnded(state, commandId);
  settledAgain(state, now);
}

/** A runner says how a command ended; of one that was lost with its host the history says it. */
export function commandAnswered(state: SessionState, commandId: string, result: CommandResult, now: string): void {
  if (findLive(state, commandId)?.state === 'running') commandEnded(state, commandId, result, now);
}

/** What an agent in the sandbox came to. What a host says of it that is lost is void. */
export function agentAnswered(
  state: SessionState,
  { turnId, generation }: { turnId: string; generation: number },
  result: AgentTurnResult,
  now: string,
): void {
  if (generation !== state.generation) return;
  filesTouched(state, now);
  if (result.kind === 'permissions') agentAsked(state, turnId, result.asked, now);
  else agentEnded(state, turnId, result, now);
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
  else {
    command.state = 'queued';
    command.startedAt = null;
  }
  if (from.sandboxGone && from.generation === state.generation) sandboxLost(state, now);
  changed(state);
}

/** A runner could not make a checkpoint. Commands that are followed find out themselves that their sandbox is gone. */
export function checkpointNotMade(
  state: SessionState,
  id: string,
  from: { generation: number; sandboxGone: boolean; detail: string },
  now: string,
): void {
  checkpointFailed(state, id, from.detail, now, from.sandboxGone);
  const isFollowed = state.commands.some((command) => command.state === 'running');
  if (from.sandboxGone && from.generation === state.generation && !isFollowed) sandboxLost(state, now);
}

/** A runner could not make the files as they were. */
export function filesNotReverted(
  state: SessionState,
  id: string,
  from: { generation: number; sandboxGone: boolean; detail: string },
  now: string,
): void {
  if (from.generation !== state.generation) return;
  if (from.sandboxGone) sandboxLost(state, now);
  else revertFailed(state, id, from.detail, now);
}

/** A runner did not change a file. */
export function fileNotChanged(
  state: SessionState,
  id: string,
  from: { generation: number; sandboxGone: boolean; code: ErrorCode; detail: string },
  now: string,
): void {
  if (from.generation !== state.generation) return;
  if (!from.sandboxGone) fileChangeRefused(state, id, from.code, from.detail);
  // Commands that are followed find out themselves.
  else if (!state.commands.some((command) => command.state === 'running')) sandboxLost(state, now);
}

/** A runner could not do what a tool asks for. */
export function toolSandboxGone(state: SessionState, generation: number, now: string): void {
  if (generation === state.generation && !state.commands.some((command) => command.state === 'running'))
    sandboxLost(state, now);
}

/** It is not there, its volume is: it is opened again. */
function sandboxLost(state: SessionState, now: string): void {
  if (!state.sandboxOpen || isOver(state)) return;
  // What is said of it from now on is void.
  if (isAgentAtWork(state)) filesTouched(state, now);
  state.sandboxOpen = false;
  state.generation += 1;
  hibernationLost(state, 'its sandbox was gone', now);
  if (state.phase === 'ready' || state.phase === 'hibernating') {
    enterPhase(state, 'resuming');
    addSessionEvent(state, now, { case: 'sessionResuming', value: { reason: 'sandbox_gone' } });
  }
}

/** A runner took the sandbox down on purpose and kept its volume. */
export function sandboxStopped(state: SessionState, generation: number, reason: string, now: string): void {
  if (generation !== state.generation || isOver(state) || state.phase === 'hibernated') return;
  if (state.phase === 'creating') {
    state.sandboxOpen = false;
    state.generation += 1;
    return changed(state);
  }
  fallAsleep(state, reason, 'volume', now);
}

/** Back to work: on the host that keeps the volume, or wherever there is a place. */
export function resumed(state: SessionState, reason: string, now: string): void {
  enterPhase(state, 'resuming');
  if (isAgentAtWork(state)) filesTouched(state, now);
  state.generation += 1;
  if (!state.placement) state.waitingForPlaceSince = now;
  state.hibernation.wish = null;
  addSessionEvent(state, now, { case: 'sessionResuming', value: { reason } });
}

/** It could not be placed or opened, for good. `generation`: the one that was asked for. */
export function preparationFailed(
  state: SessionState,
  generation: number,
  code: SessionFailureCode,
  detail: string,
  now: string,
): void {
  if (isPreparing(state) && generation === state.generation) failed(state, code, detail, now);
}

export function failed(state: SessionState, code: SessionFailureCode, detail: string, now: string): void {
  if (isOver(state)) return;
  enterPhase(state, 'failed');
  state.failure = { code, detail };
  state.sandboxOpen = false;
  state.waitingForPlaceSince = null;
  askedCheckpointsRefused(state, 'the session has failed');
  revertGivenUp(state, 'the session has failed');
  fileChangesRefused(state, 'session_failed', 'the session has failed');
  addSessionEvent(state, now, { case: 'sessionFailed', value: state.failure });
  for (const command of state.commands) {
    if (command.state === 'queued') endUnstarted(state, command, 'failed_to_start', 'session_failed', now);
  }
  // Its trial hears of this first: what ends with it was not judged.
  reportSession(state, 'failed');
  for (const turn of state.turns.live) turnEnded(state, turn, 'failed', `the session has failed: ${detail}`, now);
}

export function mainBroughtIn(
  state: SessionState,
  { method, by }: UpdateSessionRequest,
  { outcome, commit, headCommit, conflicts }: UpdatedFiles,
  now: string,
): void {
  const value = { method, outcome, commit, headCommit: headCommit ?? '', conflicts };
  addSessionEvent(state, now, { case: 'sessionUpdated', value }, by);
  if (outcome !== 'up_to_date') filesTouched(state, now);
}

export function updateAnswered(state: SessionState, id: string, files: UpdatedFiles): void {
  state.updated = [...state.updated, { id, files }].slice(-updatedMax);
}

/** Whether what can be changed is still what the asker has seen. */
export function isAsSeen({ title, labels, turns }: SessionState, { seen }: PatchSessionRequest): boolean {
  if (!seen) return true;
  const sameLimits = areSameLimits(seen.agentLimits ?? agentLimitsNone, turns.limits);
  const names = Object.keys(labels);
  const sameLabels =
    names.length === Object.keys(seen.labels).length && names.every((name) => labels[name] === seen.labels[name]);
  return seen.title === title && sameLabels && sameLimits;
}

function areSameLimits(one: AgentLimits, other: AgentLimits): boolean {
  return (['steps', 'tokens', 'costUsd', 'seconds'] as const).every((name) => one[name] === other[name]);
}

export function patched(state: SessionState, patch: PatchSessionRequest): void {
  state.title = patch.title ?? state.title;
  state.labels = patch.labels ?? state.labels;
  state.turns.limits = { ...state.turns.limits, ...patch.agentLimits };
  changedForReaders(state);
}

export function archiveRequested(state: SessionState): void {
  state.archiveRequested = true;
  askedCheckpointsRefused(state, 'the session is archived');
  revertGivenUp(state, 'the session is archived');
  fileChangesRefused(state, 'session_archived', 'the session is archived');
  changed(state);
}

export function sandboxRemoved(state: SessionState, generation: number): void {
  if (generation !== state.generation) return;
  state.sandboxRemoved = true;
  state.sandboxOpen = false;
  changed(state);
}

/** Its runner does not answer, and will find on its return that the session is archived. */
export function sandboxLeftBehind(state: SessionState): void {
  state.placement = null;
  changed(state);
}

export function archived(state: SessionState, now: string): void {
  state.waitingForPlaceSince = null;
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

function setupEnded(state: SessionState, command: LiveCommandState, result: CommandResult, now: string): void {
  if (!isPreparing(state)) return;
  // What it made on a host that is lost is lost too, however it ended there.
  const isLost = command.state === 'lost' || isLostWithSandbox(result);
  if (!isLost && result.outcome === 'exited' && result.exitCode === 0) {
    state.setup.done += 1;
  } else if (isLost && state.setup.retries < setupRetriesMax) {
    state.setup.retries += 1;
  } else {
    failed(state, 'setup_failed', describeSetupFailure(state, command.spec.command, result), now);
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
