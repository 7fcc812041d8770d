// The turns of a session: which message is answered, what the agent does next, how a turn ends.
//
// 1. One turn at a time, in the order in which the messages came. A session that sleeps is woken for one.
// 2. A turn goes from call to call of the model (a step). What a step asks for is done in its order, one after the other; then comes the
//    next step, until one asks for nothing.
// 3. A step asks the model when all that was before it is in the history: the model is told what the history says. It is begun while the
//    last of that is being written down, and waits for it; how the command ended that was the last before it, it writes down itself.
// 4. A tool that a policy forbids, or a person, is not used: the model is told why. One that somebody is asked for waits, and the turn with it.
// 5. Each turn ends exactly once, with an outcome and its reason. A tool that was asked for then ends too; of an agent in the sandbox whose
//    host does not say so, what it had begun is ended before that is written down.
// 6. A turn that is canceled begins nothing more. What is under way is stopped, and waited for `stoppingMs` at most: what takes longer, as a
//    command that ignores its signal, is ended by who runs it, and the turn is over before.
// 7. A limit, of the turn or of all turns of the session together, leaves no room for another step; time stops what is under way.

import type { AgentTurnResult, PermissionAsked, PermissionDecided } from '@worktrail/contract/agent-turns';
import {
  agentName,
  type AgentUsage,
  firstLimitReached,
  limitDetail,
  type ReachedLimit,
  sessionLimitReached,
} from '@worktrail/contract/agents';
import type { CommandSpec } from '@worktrail/contract/commands';
import type { EventDraft } from '@worktrail/contract/event-draft';
import {
  modelStepProducer,
  queuedTurnsMax,
  type TokenUsage,
  type TurnAccepted,
  type TurnOutcome,
  type TurnSpec,
  type TurnUsage,
} from '@worktrail/contract/turns';
import type { TurnListener } from '@worktrail/contract/session-messages';
import type { CommandToTell, ModelStepResult, ToolUse } from '../agent/model-step-messages.ts';
import { acceptCommand, heldTooMuch, type Refusal, settledAgain, turnShown } from './commands.ts';
import { addToolEvent, addTurnEvent, changed } from './events.ts';
import { waitsFor } from './occupations.ts';
import { decisionOn, describeUse, isPermissionPending, permissionFor, permissionsGone } from './permissions.ts';
import { isOver } from './phases.ts';
import type { LiveTurn, SessionState, ToolUseState } from './state.ts';

const endedMax = 100;
const stoppingMs = 1_000;
/** Of what is told of a tool's input when it is begun. */
const shownInputMax = 8 * 1024;

export function findTurn(state: SessionState, turnId: string): LiveTurn | undefined {
  return state.turns.live.find(({ spec }) => spec.id === turnId);
}

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

/** The next tool to go on with; undefined while one has to end, or to be permitted, before it. */
export function toolToBegin(state: SessionState, { tools }: LiveTurn): ToolUseState | undefined {
  const next = tools.find((one) => one.state !== 'ended');
  if (next?.state === 'asked') return isPermissionPending(state, next.use.id) ? undefined : next;
  return next?.state === 'waiting' ? next : undefined;
}

/** Begins the next tool that was asked for, if it may be used. */
export function toolBegun(state: SessionState, turn: LiveTurn, commandId: string, now: string): void {
  const tool = toolToBegin(state, turn);
  if (!tool) return;
  const { use } = tool;
  const about = { turnId: turn.spec.id, toolCallId: use.id, number: 1 };
  const inputJson = use.inputJson.slice(0, shownInputMax);
  const value = { toolCallId: use.id, tool: use.tool, inputJson };
  if (tool.state === 'waiting') addToolEvent(state, about, now, { case: 'toolStarted', value });
  const asked = describeUse(use);
  const may = asked ? permissionFor(state, turn, { toolCallId: use.id, ...asked }, now) : 'allow';
  if (may === 'pending') {
    tool.state = 'asked';
    return;
  }
  if (may === 'deny') {
    const error =
      tool.state === 'asked' ? 'the user has denied it' : `it is denied for tools of kind "${asked?.toolKind}"`;
    return toolToldAtOnce(state, turn, tool, { output: { error }, failed: true }, now);
  }
  switch (use.kind) {
    case 'command':
      tool.state = 'running';
      tool.commandId = commandId;
      acceptCommand(state, commandOf(turn, use, commandId, now), null, now);
      return;
    case 'files':
    case 'context':
      tool.state = 'concluding';
      return;
    case 'plan':
      addTurnEvent(state, turn.spec.id, now, { case: 'planUpdated', value: { items: use.items } });
      return toolToldAtOnce(state, turn, tool, { output: {}, failed: false }, now);
    case 'finish':
      return toolToldAtOnce(state, turn, tool, { output: {}, failed: false }, now);
    case 'refused':
      return toolToldAtOnce(state, turn, tool, { output: { error: use.detail }, failed: true }, now);
  }
}

/** Nothing is to be waited for. */
function toolToldAtOnce(
  state: SessionState,
  turn: LiveTurn,
  { use }: ToolUseState,
  { output, failed }: { output: object; failed: boolean },
  now: string,
): void {
  const about = { turnId: turn.spec.id, toolCallId: use.id, number: 2 };
  const value = { toolCallId: use.id, failed, outputJson: JSON.stringify(output) };
  addToolEvent(state, about, now, { case: 'toolEnded', value });
  toolConcluded(state, use.id, now);
}

function commandOf(turn: LiveTurn, use: Extract<ToolUse, { kind: 'command' }>, id: string, now: string): CommandSpec {
  const { command, cwd, timeoutSeconds } = use;
  const { id: turnId, agent } = turn.spec;
  return {
    ...{ id, command, cwd, timeoutSeconds, turnId },
    ...{ env: {}, stdin: '', background: false, origin: 'agent' },
    actor: { kind: 'agent', id: agentName(agent) },
    queuedAt: now,
  };
}

/** A command that the agent wanted has ended: what the model is told of it is to be written down. */
export function toolCommandEnded(state: SessionState, commandId: string): void {
  const tool = state.turns.live[0]?.tools.find((one) => one.commandId === commandId);
  if (tool?.state === 'running') tool.state = 'concluding';
}

/** The one whose end is to be written down. */
export function toolToConclude({ tools }: LiveTurn): ToolUseState | undefined {
  return tools.find(({ state }) => state === 'concluding');
}

/** A command that was the last before another step has ended: that step writes it down. False: none follows, or others are to be done before. */
export function toolLeftToStep(state: SessionState, turn: LiveTurn, toTell: CommandToTell, now: string): boolean {
  if (turn.cancelReason !== null || limitReached(turn, state.turns) !== null) return false;
  const others = turn.tools.filter(({ use }) => use.id !== toTell.toolCallId);
  if (others.some(({ use, state: is }) => is !== 'ended' || use.kind === 'finish')) return false;
  toolConcluded(state, toTell.toolCallId, now);
  turn.toTell = toTell;
  return true;
}

/** Nobody writes its end down any more; of a turn that has ended the session does. */
export function toolNotTold(state: SessionState, turnId: string, toolCallId: string, now: string): void {
  const tool = state.turns.live[0]?.tools.find(({ use }) => use.id === toolCallId);
  if (tool?.state === 'telling') tool.state = 'concluding';
  else if (!tool) addToolEvent(state, { turnId, toolCallId, number: 2 }, now, cutOff(toolCallId, 'canceled'));
}

/** It could not be done, and trying again will not help. */
export function toolFailed(
  state: SessionState,
  { turnId, toolCallId }: { turnId: string; toolCallId: string },
  error: string,
  now: string,
): void {
  const value = { toolCallId, failed: true, outputJson: JSON.stringify({ error }) };
  addToolEvent(state, { turnId, toolCallId, number: 2 }, now, { case: 'toolEnded', value });
  toolConcluded(state, toolCallId, now);
}

/** Its end is in the history, or will be before anything that follows. */
export function toolConcluded(state: SessionState, toolCallId: string, now: string): void {
  const turn = state.turns.live[0];
  const tool = turn?.tools.find(({ use }) => use.id === toolCallId);
  if (!turn || !tool) return;
  tool.state = 'ended';
  state.lastActiveAt = now;
  changed(state);
  if (turn.cancelReason !== null) return turnStopped(state, turn, now);
  if (turn.tools.some((one) => one.state !== 'ended')) return;
  if (turn.tools.some(({ use }) => use.kind === 'finish')) return turnEnded(state, turn, 'completed', '', now);
  const limit = limitReached(turn, state.turns);
  if (limit !== null) return turnLimited(state, turn, limit, now);
  turn.tools = [];
  turn.step += 1;
  turn.stage = 'model';
}

/** The first limit that leaves no room for another step; null: there is none. A turn's time is looked after by `turnOverdueAtMs`. */
export function limitReached(
  turn: Pick<LiveTurn, 'spec' | 'step' | 'usage' | 'called'>,
  turns: Pick<SessionState['turns'], 'limits' | 'usage'>,
): ReachedLimit | null {
  const took = { ...usageOf(turn), seconds: 0 };
  const uncounted = { ...uncountedOf(turn), seconds: 0 };
  return (
    firstLimitReached(took, turn.spec.agent.limits, 'turn') ??
    sessionLimitReached(addAgentUsage(turns.usage, uncounted), turns.limits)
  );
}

function usageOf({ step, usage }: Pick<LiveTurn, 'step' | 'usage'>): Omit<AgentUsage, 'seconds'> {
  return { steps: step, tokens: usage.inputTokens + usage.outputTokens, costUsd: usage.costUsd };
}

/** Without what was counted for the session when it was used. */
function uncountedOf(turn: Pick<LiveTurn, 'step' | 'usage' | 'called'>): Omit<AgentUsage, 'seconds'> {
  const took = usageOf(turn);
  if (!turn.called) return took;
  const { inputTokens, outputTokens, costUsd } = turn.called;
  return { ...took, tokens: took.tokens - inputTokens - outputTokens, costUsd: took.costUsd - costUsd };
}

function addAgentUsage(one: AgentUsage, other: AgentUsage): AgentUsage {
  return {
    steps: one.steps + other.steps,
    tokens: one.tokens + other.tokens,
    costUsd: one.costUsd + other.costUsd,
    seconds: one.seconds + other.seconds,
  };
}

/** When the current turn has had its time, or the session; Infinity where it is being stopped already. */
export function turnOverdueAtMs(state: SessionState): number {
  return overdue(state)?.atMs ?? Infinity;
}

function overdue({ turns }: SessionState): (ReachedLimit & { atMs: number }) | null {
  const turn = turns.live[0];
  if (!turn?.startedAt || turn.cancelReason !== null) return null;
  const { seconds } = turn.spec.agent.limits;
  const left = turns.limits.seconds === null ? Infinity : Math.max(turns.limits.seconds - turns.usage.seconds, 0);
  const isSessions = left < seconds;
  return {
    atMs: Date.parse(turn.startedAt) + Math.min(seconds, left) * 1_000,
    name: isSessions ? 'session_time' : 'time',
    detail: limitDetail(isSessions ? 'session' : 'turn', 'seconds', isSessions ? turns.limits.seconds! : seconds),
  };
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

/** It goes round in circles. */
export function modelRepeated(state: SessionState, producer: string, detail: string, now: string): void {
  const turn = state.turns.live[0];
  if (!turn || turn.stage !== 'model' || modelStepProducer(turn.spec.id, turn.step) !== producer) return;
  // The step was not made.
  turn.step -= 1;
  turnLimited(state, turn, { name: 'repetition', detail }, now);
}

function turnLimited(state: SessionState, turn: LiveTurn, limit: ReachedLimit, now: string): void {
  addLimitReached(state, turn, limit, now);
  turnEnded(state, turn, 'limit_reached', limit.name, now);
}

export function addLimitReached(
  state: SessionState,
  turn: LiveTurn,
  { name, detail }: ReachedLimit,
  now: string,
): void {
  addTurnEvent(state, turn.spec.id, now, { case: 'limitReached', value: { limit: name, detail } });
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

function cutOff(toolCallId: string, outcome: TurnOutcome): EventDraft['payload'] {
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
function reportTurn(
  state: SessionState,
  { workflowId }: TurnListener,
  turn: { id: string; usage: TurnUsage; outcome?: TurnOutcome; reason?: string },
): void {
  const { id: turnId, usage, outcome, reason = '' } = turn;
  const others = state.reports.filter((report) => report.about !== 'turn' || report.turn.turnId !== turnId);
  const end = outcome === undefined ? null : { outcome, reason };
  state.reports = [...others, { about: 'turn', to: workflowId, turn: { turnId, usage, end } }];
}
