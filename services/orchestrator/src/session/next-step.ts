// What a session does next, decided from its state, from what is under way in this run of the workflow, and from the time.
// Following commands comes first: nothing may stand between an accepted command and its start.

import { automaticCheckpointAtMs, duePurpose } from './checkpoints.ts';
import { isUnsettled, settleAtMs, startableCommand } from './commands.ts';
import { nextFileChange } from './file-changes.ts';
import { hibernationDue } from './hibernation.ts';
import { isPreparing } from './phases.ts';
import { recordIsDue } from './record.ts';
import { filesMayBeReverted } from './reverts.ts';
import type { CheckpointPlan, SessionState } from './state.ts';
import {
  agentDecisions,
  currentTurn,
  isTurnAtRest,
  toolToBegin,
  toolToConclude,
  turnGivenUpAtMs,
  turnOverdueAtMs,
} from './turns.ts';

/** What this run of the workflow has begun and not finished; a new run begins with nothing. */
export interface Underway {
  following: readonly string[];
  /** Placing, opening, stopping or removing the sandbox. */
  sandbox: boolean;
  checkpoint: boolean;
  reverting: boolean;
  changing: boolean;
  /** A call of the model. */
  model: boolean;
  /** An agent in the sandbox is followed. */
  agent: boolean;
  /** The end of a use of a tool is being written down. */
  tool: boolean;
  /** Git brings the default branch in. */
  updating: boolean;
  endingLost: boolean;
  /** What an agent in the sandbox had begun is being ended. */
  endingLeft: boolean;
  recording: boolean;
  reporting: boolean;
  /** For when it is set; null: it is not. */
  alarmAtMs: number | null;
}

export type Step =
  /** Start the command, or attach to it again. */
  | { do: 'follow'; commandId: string }
  /** Find out how commands ended whose host is lost, or end them. */
  | { do: 'endLost' }
  /** Find out what agents had begun whose host has not said how their turn ended, and end it. */
  | { do: 'endLeft' }
  | { do: 'place' }
  | { do: 'open' }
  | { do: 'setup'; command: string }
  | { do: 'becomeReady' }
  | { do: 'beginHibernation'; reason: string }
  | { do: 'hibernate' }
  | { do: 'resume'; reason: string }
  | { do: 'remove' }
  | { do: 'archive' }
  | { do: 'planCheckpoint'; purpose: CheckpointPlan['purpose'] }
  /** Make the one that is planned, or attach to it again. */
  | { do: 'checkpoint'; id: string }
  /** There is no sandbox any more to make it in. */
  | { do: 'failCheckpoint'; id: string }
  /** Make the files as at an earlier checkpoint, or attach to that again. */
  | { do: 'revert' }
  /** Write or delete a file, or attach to that again. */
  | { do: 'changeFile' }
  | { do: 'record' }
  | { do: 'report' }
  /** Something is so that the history shows if it lasts. */
  | { do: 'noticeUnsettled' }
  /** It has lasted: write it down. */
  | { do: 'settle' }
  /** It has passed: nothing to write down. */
  | { do: 'forgetUnsettled' }
  /** Come back at this time, if nothing happens before. */
  | { do: 'beginTurn' }
  | { do: 'callModel' }
  /** Give the message to the agent in the sandbox, or attach to it again. */
  | { do: 'runAgent' }
  | { do: 'beginTool' }
  | { do: 'concludeTool' }
  /** It has had its time, or another limit stops it. */
  | { do: 'stopTurn' }
  /** It was canceled, and is over. */
  | { do: 'endTurn' }
  | { do: 'setAlarm'; atMs: number }
  | { do: 'complete' };

export function nextStep(state: SessionState, underway: Underway, nowMs: number): Step | null {
  const commandId = commandToFollow(state, underway);
  if (commandId !== undefined) return { do: 'follow', commandId };
  if (!underway.endingLost && state.commands.some((command) => command.state === 'lost')) return { do: 'endLost' };
  if (!underway.endingLeft && !underway.agent && state.leftAgents.length > 0) return { do: 'endLeft' };
  const step =
    nextCheckpointStep(state, underway, nowMs) ??
    nextRevertStep(state, underway) ??
    nextChangeStep(state, underway) ??
    nextSandboxStep(state, underway, nowMs) ??
    nextTurnStep(state, underway, nowMs);
  if (step) return step;
  // The ends of tools are before that of their turn.
  if (!underway.recording && !underway.endingLeft && recordIsDue(state)) return { do: 'record' };
  if (!underway.reporting && state.reports.length > 0) return { do: 'report' };
  const unsettled = isUnsettled(state);
  if (unsettled !== (state.unsettledSince !== null)) return { do: unsettled ? 'noticeUnsettled' : 'forgetUnsettled' };
  if ((settleAtMs(state) ?? Infinity) <= nowMs) return { do: 'settle' };
  if (isComplete(state, underway)) return { do: 'complete' };
  const atMs = nextAlarmMs(state);
  // One that rings too early is set anew then: commands that follow each other cost no timer each.
  return atMs < (underway.alarmAtMs ?? Infinity) ? { do: 'setAlarm', atMs } : null;
}

function commandToFollow(state: SessionState, underway: Underway): string | undefined {
  const dropped = state.commands.find(
    (command) => command.state === 'running' && !underway.following.includes(command.spec.id),
  );
  return (dropped ?? startableCommand(state))?.spec.id;
}

function nextCheckpointStep(state: SessionState, underway: Underway, nowMs: number): Step | null {
  if (underway.checkpoint) return null;
  const { plan } = state.checkpointing;
  if (plan) return { do: state.sandboxOpen ? 'checkpoint' : 'failCheckpoint', id: plan.id };
  // It would have half of what git does.
  if (underway.sandbox || underway.updating) return null;
  const purpose = duePurpose(state, nowMs);
  return purpose && { do: 'planCheckpoint', purpose };
}

function nextRevertStep(state: SessionState, { sandbox, checkpoint, reverting }: Underway): Step | null {
  return !sandbox && !checkpoint && !reverting && filesMayBeReverted(state) ? { do: 'revert' } : null;
}

function nextChangeStep(state: SessionState, { sandbox, reverting, changing }: Underway): Step | null {
  return !sandbox && !reverting && !changing && nextFileChange(state) ? { do: 'changeFile' } : null;
}

function nextTurnStep(state: SessionState, { model, agent, tool, recording }: Underway, nowMs: number): Step | null {
  const first = state.turns.live[0];
  const isCanceled = first !== undefined && first.cancelReason !== null;
  const isOverdue = turnOverdueAtMs(state) <= nowMs || first?.limit !== undefined;
  if (isOverdue && !isCanceled) return { do: 'stopTurn' };
  const isOver = () => isTurnAtRest(state, first!, { model, agent, tool }) || turnGivenUpAtMs(state) <= nowMs;
  if (isCanceled && isOver()) return { do: 'endTurn' };
  const turn = currentTurn(state);
  if (!turn) return null;
  if (turn.stage === 'queued') return { do: 'beginTurn' };
  // What is done next is told of it.
  const isRecorded = state.events.length === 0;
  if (turn.spec.agent.kind !== 'built_in') {
    const mayGoOn = isCanceled || agentDecisions(state, turn) !== null;
    return !agent && isRecorded && mayGoOn ? { do: 'runAgent' } : null;
  }
  // Who does it waits for what is being recorded beside it.
  const mayBegin = isRecorded || recording;
  if (turn.stage === 'model') return !model && mayBegin ? { do: 'callModel' } : null;
  if (toolToConclude(turn)) return !tool && mayBegin ? { do: 'concludeTool' } : null;
  return toolToBegin(state, turn) ? { do: 'beginTool' } : null;
}

function nextSandboxStep(state: SessionState, underway: Underway, nowMs: number): Step | null {
  if (state.phase === 'archived' || underway.sandbox) return null;
  const leftBehind = state.placement !== null && !state.sandboxRemoved;
  // What is being checkpointed or changed is neither stopped nor removed meanwhile.
  const isOccupied =
    state.checkpointing.plan !== null || underway.reverting || underway.changing || state.updating !== null;
  if (state.archiveRequested) return isOccupied ? null : { do: leftBehind ? 'remove' : 'archive' };
  if (state.phase === 'failed') return leftBehind && !isOccupied ? { do: 'remove' } : null;
  if (isPreparing(state)) return nextPreparation(state);
  if (state.phase === 'hibernating') return state.hibernation.checkpointed && !isOccupied ? { do: 'hibernate' } : null;
  if (state.phase === 'hibernated') return nextAwakening(state);
  const due = hibernationDue(state);
  return due && due.atMs <= nowMs ? { do: 'beginHibernation', reason: due.reason } : null;
}

function nextPreparation(state: SessionState): Step | null {
  if (!state.placement) return { do: 'place' };
  if (!state.sandboxOpen) return { do: 'open' };
  if (state.commands.some((command) => command.spec.origin === 'setup')) return null;
  const command = state.spec.environment.setup[state.setup.done];
  return command === undefined ? { do: 'becomeReady' } : { do: 'setup', command };
}

function nextAwakening(state: SessionState): Step | null {
  if (state.commands.some((command) => command.state === 'queued')) return { do: 'resume', reason: 'command' };
  if (state.checkpointing.asked.length > 0) return { do: 'resume', reason: 'checkpoint' };
  if (state.reverting.plan) return { do: 'resume', reason: 'revert' };
  if (state.changing.asked.length > 0) return { do: 'resume', reason: 'file_change' };
  if (state.turns.live.length > 0) return { do: 'resume', reason: 'message' };
  return state.hibernation.resumeWanted ? { do: 'resume', reason: 'requested' } : null;
}

/** Infinity: nothing is to happen by itself. */
function nextAlarmMs(state: SessionState): number {
  return Math.min(
    settleAtMs(state) ?? Infinity,
    automaticCheckpointAtMs(state) ?? Infinity,
    hibernationDue(state)?.atMs ?? Infinity,
    Math.min(turnOverdueAtMs(state), turnGivenUpAtMs(state)),
  );
}

function isComplete(state: SessionState, underway: Underway): boolean {
  const {
    sandbox,
    checkpoint,
    reverting,
    changing,
    model,
    agent,
    tool,
    endingLost,
    endingLeft,
    recording,
    reporting,
    following,
  } = underway;
  const busy =
    sandbox ||
    checkpoint ||
    reverting ||
    changing ||
    model ||
    agent ||
    tool ||
    endingLost ||
    endingLeft ||
    recording ||
    reporting ||
    following.length > 0;
  const isOwing = state.commands.length > 0 || state.leftAgents.length > 0;
  return state.phase === 'archived' && !isOwing && !busy;
}

/** Nothing is half done that a new run would have to know of: what is left is in the state. */
export function isQuiet(state: SessionState, underway: Underway): boolean {
  const { sandbox, model, tool, endingLost, endingLeft, recording, reporting } = underway;
  return (
    !sandbox &&
    !model &&
    !tool &&
    !endingLost &&
    !endingLeft &&
    !recording &&
    !reporting &&
    !recordIsDue(state) &&
    state.reports.length === 0
  );
}
