// The uses of tools that a step of a turn asks for, one after the other.
//
// 1. A tool that a policy forbids, or a person, is not used: the model is told why. One that somebody is asked for waits, and the turn with it.
// 2. When all of a step have ended the next step comes, unless the agent is done or a limit leaves no room for one.

import { agentName } from '@worktrail/contract/agents';
import type { CommandSpec } from '@worktrail/contract/commands';
import type { CommandToTell, ToolUse } from '../agent/model-step-messages.ts';
import { acceptCommand } from './commands.ts';
import { addToolEvent, addTurnEvent, changed } from './events.ts';
import { describeUse, isPermissionPending, permissionFor } from './permissions.ts';
import type { LiveTurn, SessionState, ToolUseState } from './state.ts';
import { limitReached } from './turn-limits.ts';
import { cutOff, turnEnded, turnLimited, turnStopped } from './turn-ends.ts';

/** Of what is told of a tool's input when it is begun. */
const shownInputMax = 8 * 1024;

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
