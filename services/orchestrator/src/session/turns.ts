// The turns of a session: which message is answered, what the agent does next.
//
// 1. One turn at a time, in the order in which the messages came. A session that sleeps is woken for one.
// 2. A turn goes from call to call of the model (a step). What a step asks for is done in its order, one after the other (`turn-tools.ts`);
//    then comes the next step, until one asks for nothing. How it ends: `turn-ends.ts`.
// 3. A step asks the model when all that was before it is in the history: the model is told what the history says. It is begun while the
//    last of that is being written down, and waits for it; how the command ended that was the last before it, it writes down itself.

import type { AgentTurnResult, PermissionAsked, PermissionDecided } from '@worktrail/contract/agent-turns';
import { agentName, sessionLimitReached } from '@worktrail/contract/agents';
import {
  modelStepProducer,
  queuedTurnsMax,
  type TokenUsage,
  type TurnAccepted,
  type TurnSpec,
} from '@worktrail/contract/turns';
import type { TurnListener } from '@worktrail/contract/session-messages';
import type { ModelStepResult } from '../agent/model-step-messages.ts';
import { heldTooMuch, type Refusal, turnShown } from './commands.ts';
import { addTurnEvent, changed } from './events.ts';
import { waitsFor } from './occupations.ts';
import { decisionOn, isPermissionPending, permissionFor } from './permissions.ts';
import { isOver } from './phases.ts';
import type { LiveTurn, SessionState } from './state.ts';
import { findTurn, reportStep, reportTurn, turnEnded, turnLimited, turnStopped } from './turn-ends.ts';

/** Why a message is not taken; null when it is. */
export function messageRefusal(state: SessionState, spec: TurnSpec): Refusal | null {
  if (findTurn(state, spec.id) || state.turns.ended.some(({ id }) => id === spec.id)) return null;
  if (state.phase === 'failed') {
    return { code: 'session_failed', detail: `the session has failed: ${state.failure?.detail ?? 'no reason known'}` };
  }
  if (isOver(state)) return { code: 'session_archived', detail: 'the session is archived' };
  if (state.turns.live.length > queuedTurnsMax) {
    return { code: 'queued_messages_exceeded', detail: `${queuedTurnsMax} messages of the session wait` };
  }
  const unrecorded = state.events.filter(({ draft }) => draft.payload.case === 'messageUser');
  // Those that were canceled before they were recorded are no longer live.
  if (unrecorded.length > queuedTurnsMax) {
    return {
      code: 'queued_messages_exceeded',
      detail: `${unrecorded.length} messages of the session are not stored yet`,
    };
  }
  const detail = heldTooMuch(state, spec);
  if (detail !== null) return { code: 'queued_messages_exceeded', detail };
  return null;
}

/** Takes a message that is not refused. Asked again, it is the same one. `reportTo`: the trial that wants it answered. */
export function messageTaken(
  state: SessionState,
  spec: TurnSpec,
  now: string,
  reportTo: TurnListener | null = null,
): TurnAccepted {
  const { live, ended } = state.turns;
  const isFirst = live.length === 0 || live[0]!.spec.id === spec.id;
  const known = ended.find(({ id }) => id === spec.id);
  if (known && reportTo) reportTurn(state, reportTo, known);
  if (known || findTurn(state, spec.id)) return { state: isFirst ? 'running' : 'queued' };
  live.push({
    spec,
    stage: 'queued',
    startedAt: null,
    step: 0,
    agentGeneration: null,
    agentAsked: [],
    usage: { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, costUsd: 0 },
    tools: [],
    toTell: null,
    permissionsAsked: 0,
    cancelReason: null,
    canceledAt: null,
    reportTo,
  });
  state.lastActiveAt = now;
  addTurnEvent(
    state,
    spec.id,
    now,
    { case: 'messageUser', value: { messageId: spec.id, text: spec.text } },
    spec.actor,
  );
  return { state: isFirst ? 'running' : 'queued' };
}

/** The turn that may go on now: nothing else changes the session's files meanwhile, but what its user runs beside it. */
export function currentTurn(state: SessionState): LiveTurn | undefined {
  const { phase, sandboxOpen } = state;
  if (phase !== 'ready' || !sandboxOpen || isOver(state) || waitsFor('turn', state).length > 0) return undefined;
  return state.turns.live[0];
}

export function turnBegun(state: SessionState, turn: LiveTurn, now: string): void {
  turn.startedAt = now;
  turn.stage = 'model';
  turn.step = turn.spec.agent.kind === 'built_in' ? 1 : 0;
  turnShown(state, now);
  addTurnEvent(state, turn.spec.id, now, { case: 'turnStarted', value: { agent: agentName(turn.spec.agent) } });
  const limit = sessionLimitReached(state.turns.usage, state.turns.limits);
  if (limit === null) return;
  turn.step = 0;
  turnLimited(state, turn, limit, now);
}

/** A step is in the history, and this follows from it. */
export function modelAnswered(state: SessionState, producer: string, result: ModelStepResult, now: string): void {
  const turn = state.turns.live[0];
  if (!turn || turn.stage !== 'model' || modelStepProducer(turn.spec.id, turn.step) !== producer) return;
  const { usage } = result;
  turn.toTell = null;
  turn.usage.inputTokens += usage.inputTokens;
  turn.usage.outputTokens += usage.outputTokens;
  turn.usage.cachedInputTokens += usage.cachedInputTokens;
  turn.usage.costUsd += usage.costUsd;
  addTurnEvent(state, turn.spec.id, now, { case: 'usage', value: { model: turn.spec.agent.model, ...usage } });
  state.lastActiveAt = now;
  reportStep(state, turn);
  turn.tools = result.tools.map((use) => ({ use, state: 'waiting', commandId: null }));
  if (turn.cancelReason !== null) return turnStopped(state, turn, now);
  if (result.tools.length === 0) {
    if (result.finish === 'stop') return turnEnded(state, turn, 'completed', '', now);
    return turnEnded(state, turn, 'failed', `the model ended its answer with "${result.finish}"`, now);
  }
  turn.stage = 'tools';
  changed(state);
}

/** The model could not be had, or what it said cannot be used. */
export function modelFailed(state: SessionState, producer: string, detail: string, now: string): void {
  const turn = state.turns.live[0];
  if (!turn || turn.stage !== 'model' || modelStepProducer(turn.spec.id, turn.step) !== producer) return;
  turnEnded(state, turn, 'failed', detail, now);
}

/** The agent in the sandbox is being given the message, or followed again. */
export function agentBegun(state: SessionState, turn: LiveTurn): void {
  turn.agentGeneration ??= state.generation;
}

/** It was not: its sandbox was gone before. */
export function agentNotBegun(state: SessionState, turnId: string): void {
  const turn = findTurn(state, turnId);
  if (turn) turn.agentGeneration = null;
}

/** It waits until somebody has answered, unless that is known. */
export function agentAsked(state: SessionState, turnId: string, asked: readonly PermissionAsked[], now: string): void {
  const turn = findTurn(state, turnId);
  if (!turn) return;
  turn.agentAsked = [...asked];
  for (const one of asked) permissionFor(state, turn, one, now);
  changed(state);
}

/** Of what it waits for, what is decided; null: it waits for all of it. */
export function agentDecisions(state: SessionState, { agentAsked: asked }: LiveTurn): PermissionDecided[] | null {
  const decided = asked.flatMap(({ toolCallId, toolKind }): PermissionDecided[] => {
    if (isPermissionPending(state, toolCallId)) return [];
    return [{ toolCallId, decision: decisionOn(state, toolCallId, toolKind) }];
  });
  return asked.length > 0 && decided.length === 0 ? null : decided;
}

/** The agent in the sandbox has ended its turn, or was ended. */
export function agentEnded(
  state: SessionState,
  turnId: string,
  { outcome, reason, steps, usage, conversation }: Extract<AgentTurnResult, { kind: 'ended' }>,
  now: string,
): void {
  const turn = findTurn(state, turnId);
  if (!turn) return;
  // Another host knows nothing of what it had begun.
  if (turn.agentGeneration === state.generation) turn.agentGeneration = null;
  turn.step = steps;
  turn.usage = turn.called ? fullerUsage(usage, turn.called) : usage;
  state.turns.conversation = conversation;
  if (turn.cancelReason !== null) return turnStopped(state, turn, now);
  turnEnded(state, turn, outcome, reason, now);
}

/** What an agent tells of, or what was counted of it: both are of the same calls, and either may know of less. */
function fullerUsage(told: TokenUsage, counted: TokenUsage): TokenUsage {
  const tokensOf = ({ inputTokens, outputTokens }: TokenUsage) => inputTokens + outputTokens;
  const fuller = tokensOf(told) >= tokensOf(counted) ? told : counted;
  return { ...fuller, costUsd: Math.max(told.costUsd, counted.costUsd) };
}

/** It goes round in circles. */
export function modelRepeated(state: SessionState, producer: string, detail: string, now: string): void {
  const turn = state.turns.live[0];
  if (!turn || turn.stage !== 'model' || modelStepProducer(turn.spec.id, turn.step) !== producer) return;
  // The step was not made.
  turn.step -= 1;
  turnLimited(state, turn, { name: 'repetition', detail }, now);
}
