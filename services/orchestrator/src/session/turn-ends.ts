// How a turn ends: by itself, by a limit, canceled.
//
// 1. Each turn ends exactly once, with an outcome and its reason. A tool that was asked for then ends too; of an agent in the sandbox
//    whose host does not say so, what it had begun is ended before that is written down.
// 2. A turn that is canceled begins nothing more. What is under way is stopped, and waited for `stoppingMs` at most: what takes longer, as a
//    command that ignores its signal, is ended by who runs it, and the turn is over before.

import { agentName, type ReachedLimit } from '@worktrail/contract/agents';
import type { EventDraft } from '@worktrail/contract/event-draft';
import type { TurnOutcome, TurnUsage } from '@worktrail/contract/turns';
import type { TurnListener } from '@worktrail/contract/session-messages';
import { settledAgain } from './commands.ts';
import { addToolEvent, addTurnEvent, changed } from './events.ts';
import { permissionsGone } from './permissions.ts';
import type { LiveTurn, SessionState, ToolUseState } from './state.ts';
import { addAgentUsage, addLimitReached, overdue, uncountedOf } from './turn-limits.ts';

const endedMax = 100;
const stoppingMs = 1_000;

export function findTurn(state: SessionState, turnId: string): LiveTurn | undefined {
  return state.turns.live.find(({ spec }) => spec.id === turnId);
}

/** What is under way is to be stopped, because its time is over; with what is returned as the reason. */
export function turnTimedOut(state: SessionState, now: string): string {
  const turn = state.turns.live[0];
  const limit = overdue(state);
  if (!turn || !limit) return '';
  turn.limit = limit.name;
  addLimitReached(state, turn, limit, now);
  return limit.detail;
}

export function turnLimited(state: SessionState, turn: LiveTurn, limit: ReachedLimit, now: string): void {
  addLimitReached(state, turn, limit, now);
  turnEnded(state, turn, 'limit_reached', limit.name, now);
}

/** One that waits ends here; of one that runs what is under way has to be stopped, and ends it then. False: it is not live. */
export function turnCanceled(state: SessionState, turnId: string, reason: string, now: string): boolean {
  const turn = findTurn(state, turnId);
  if (!turn) return false;
  turn.cancelReason ??= reason;
  turn.canceledAt ??= now;
  changed(state);
  if (turn.stage === 'queued') turnEnded(state, turn, 'canceled', reason, now);
  return true;
}

/** Of one that is to be stopped nothing is under way any more. */
export function turnStopped(state: SessionState, turn: LiveTurn, now: string): void {
  if (turn.limit !== undefined) turnEnded(state, turn, 'limit_reached', turn.limit, now);
  else turnEnded(state, turn, 'canceled', turn.cancelReason ?? '', now);
}

/** When a canceled one is over whatever is still under way; Infinity: it is not canceled. */
export function turnGivenUpAtMs({ turns }: SessionState): number {
  const turn = turns.live[0];
  // An agent in the sandbox has to be ended first: it would go on.
  const canceledAt = turn?.spec.agent.kind === 'built_in' ? turn.canceledAt : null;
  return canceledAt ? Date.parse(canceledAt) + stoppingMs : Infinity;
}

/** Nothing of it is under way, or about to be written down: the last as in Underway. */
export function isTurnAtRest(
  { generation }: SessionState,
  { spec, stage, tools, agentGeneration }: LiveTurn,
  { model, agent, tool }: { model: boolean; agent: boolean; tool: boolean },
): boolean {
  if (spec.agent.kind !== 'built_in') return !agent && agentGeneration !== generation;
  if (stage === 'model') return !model;
  const isStopping = ({ state, commandId }: ToolUseState) =>
    state === 'running' || (state === 'concluding' && commandId !== null);
  return !tool && !tools.some(isStopping);
}

function endedBefore(outcome: TurnOutcome): string {
  return `the turn was ended before: ${outcome}`;
}

export function cutOff(toolCallId: string, outcome: TurnOutcome): EventDraft['payload'] {
  const outputJson = JSON.stringify({ error: endedBefore(outcome) });
  return { case: 'toolEnded', value: { toolCallId, failed: true, outputJson } };
}

export function turnEnded(
  state: SessionState,
  turn: LiveTurn,
  outcome: TurnOutcome,
  reason: string,
  now: string,
): void {
  const turnId = turn.spec.id;
  for (const { use, state: is } of turn.tools) {
    if (is === 'telling' || is === 'ended') continue;
    const about = { turnId, toolCallId: use.id, number: is === 'waiting' ? 1 : 2 };
    addToolEvent(state, about, now, cutOff(use.id, outcome));
  }
  // Where the step has done it, this is not written.
  if (turn.toTell) {
    const about = { turnId, toolCallId: turn.toTell.toolCallId, number: 2 };
    addToolEvent(state, about, now, cutOff(turn.toTell.toolCallId, outcome));
  }
  if (turn.agentGeneration !== null) {
    const error = outcome === 'failed' ? reason : endedBefore(outcome);
    state.leftAgents.push({ turnId, agent: agentName(turn.spec.agent), error });
  }
  permissionsGone(state, turnId);
  state.turns.live = state.turns.live.filter((one) => one !== turn);
  const seconds = turn.startedAt ? Math.max(Date.parse(now) - Date.parse(turn.startedAt), 0) / 1_000 : 0;
  state.turns.usage = addAgentUsage(state.turns.usage, { ...uncountedOf(turn), seconds });
  const usage = { steps: turn.step, ...turn.usage };
  const ended = { id: turnId, outcome, reason, usage };
  state.turns.ended = [...state.turns.ended, ended].slice(-endedMax);
  if (turn.reportTo) reportTurn(state, turn.reportTo, ended);
  state.lastActiveAt = now;
  addTurnEvent(state, turnId, now, {
    case: 'turnEnded',
    value: { outcome, reason, usage },
  });
  settledAgain(state, now);
}

/** To a trial that counts what its turns use. */
export function reportStep(state: SessionState, { spec, step, usage, reportTo }: LiveTurn): void {
  if (reportTo?.steps) reportTurn(state, reportTo, { id: spec.id, usage: { steps: step, ...usage } });
}

/** Only the newest word of a turn counts. `outcome` absent: it goes on. */
export function reportTurn(
  state: SessionState,
  { workflowId }: TurnListener,
  turn: { id: string; usage: TurnUsage; outcome?: TurnOutcome; reason?: string },
): void {
  const { id: turnId, usage, outcome, reason = '' } = turn;
  const others = state.reports.filter((report) => report.about !== 'turn' || report.turn.turnId !== turnId);
  const end = outcome === undefined ? null : { outcome, reason };
  state.reports = [...others, { about: 'turn', to: workflowId, turn: { turnId, usage, end } }];
}
