// What an agent may do: by its policy, by what a person has answered, or not before one does.
//
// 1. A use of a tool is asked for once; its answer is written down with who gave it, and stands.
// 2. An answer that is to be remembered stands, for the rest of the session, wherever a policy would ask for that kind of tool. It does not
//    weaken what a later message's policy forbids, nor what it allows.
// 3. What waits belongs to the current turn and goes with it, unanswered.

import { agentName, type ToolKind } from '@worktrail/contract/agents';
import {
  type AnswerPermissionRequest,
  type PermissionAnswer,
  type PermissionDecision,
  permissionDetail,
  permissionId,
  type PermissionRequest,
} from '@worktrail/contract/permissions';
import type { ToolUse } from '../agent/model-step-messages.ts';
import type { Refusal } from './commands.ts';
import { addTurnEvent } from './events.ts';
import type { LiveTurn, SessionState, SettledPermission } from './state.ts';

/** What is asked beyond that is denied: somebody would have to answer all of it. */
export const pendingPermissionsMax = 32;
const settledMax = 200;

export type AskedPermission = Omit<PermissionRequest, 'permissionId'>;

/** How a use of a tool by the current turn stands: decided, or asked for. Called again for the same use, it is not asked for again. */
export function permissionFor(
  state: SessionState,
  turn: LiveTurn,
  { toolCallId, toolKind, detail }: AskedPermission,
  now: string,
): PermissionDecision | 'pending' {
  const { pending, settled, remembered } = state.permissions;
  const answered = settled.find((one) => one.toolCallId === toolCallId);
  if (answered) return answered.decision ?? 'deny';
  if (pending.some((one) => one.toolCallId === toolCallId)) return 'pending';
  const rule = turn.spec.agent.permissions[toolKind];
  if (rule !== 'ask') return rule;
  const standing = remembered[toolKind];
  if (standing) return standing;
  if (pending.length >= pendingPermissionsMax) return 'deny';
  turn.permissionsAsked += 1;
  const { id } = turn.spec;
  const value = {
    ...{ permissionId: permissionId(id, turn.permissionsAsked), toolCallId, toolKind, detail },
  };
  pending.push(value);
  const actor = { kind: 'agent', id: agentName(turn.spec.agent) } as const;
  addTurnEvent(state, id, now, { case: 'permissionRequested', value }, actor);
  return 'pending';
}

/** On a use of a tool that was asked for and waits no more. */
export function decisionOn({ permissions }: SessionState, toolCallId: string, toolKind: ToolKind): PermissionDecision {
  const answered = permissions.settled.find((one) => one.toolCallId === toolCallId);
  return (answered ? answered.decision : permissions.remembered[toolKind]) ?? 'deny';
}

export function pendingOf({ permissions }: SessionState, turnId: string): PermissionRequest[] {
  return permissions.pending.filter((one) => one.permissionId.startsWith(`${turnId}-`));
}

export function isPermissionPending(state: SessionState, toolCallId: string): boolean {
  return state.permissions.pending.some((one) => one.toolCallId === toolCallId);
}

/** Why an answer is not taken; null when it is, or was. */
export function answerRefusal(state: SessionState, answer: PermissionAnswer): Refusal | null {
  const { permissionId: id } = answer;
  const { pending, settled } = state.permissions;
  if (pending.some((one) => one.permissionId === id)) return null;
  const known = settled.find((one) => one.permissionId === id);
  if (!known) return { code: 'not_found', detail: `there is no ${id}` };
  if (known.decision === null) return { code: 'conflict', detail: 'its turn has ended' };
  if (known.decision === answer.decision && known.remember === answer.remember) return null;
  const { decision, remember } = known;
  return { code: 'conflict', detail: `it was answered: ${decision}${remember ? ', and remembered' : ''}` };
}

/** Takes an answer that is not refused. One that is remembered answers what else waits of that kind too. */
export function permissionAnswered(
  state: SessionState,
  { permissionId: id, decision, remember, actor }: AnswerPermissionRequest,
  now: string,
): PermissionAnswer {
  const { permissions } = state;
  const asked = permissions.pending.find((one) => one.permissionId === id);
  if (!asked) return { permissionId: id, decision, remember };
  if (remember) permissions.remembered[asked.toolKind] = decision;
  const answered = permissions.pending.filter((one) => one === asked || (remember && one.toolKind === asked.toolKind));
  for (const { permissionId: one } of answered) {
    const value = { permissionId: one, decision, remember };
    addTurnEvent(state, state.turns.live[0]!.spec.id, now, { case: 'permissionAnswered', value }, actor);
  }
  permissions.pending = permissions.pending.filter((one) => !answered.includes(one));
  settle(
    state,
    answered.map(({ permissionId: one, toolCallId }) => ({ permissionId: one, toolCallId, decision, remember })),
  );
  state.lastActiveAt = now;
  return { permissionId: id, decision, remember };
}

/** The turn has ended. */
export function permissionsGone(state: SessionState, turnId: string): void {
  const { permissions } = state;
  const gone = pendingOf(state, turnId);
  permissions.pending = permissions.pending.filter((one) => !gone.includes(one));
  settle(
    state,
    gone.map(({ permissionId: one, toolCallId }) => ({ permissionId: one, toolCallId, decision: null })),
  );
}

function settle({ permissions }: SessionState, settled: SettledPermission[]): void {
  permissions.settled = [...permissions.settled, ...settled].slice(-settledMax);
}

/** What a use of a tool of the built-in agent would do; null: nothing outside of the agent itself. */
export function describeUse(use: ToolUse): Omit<AskedPermission, 'toolCallId'> | null {
  const described = describe(use);
  return described && { ...described, detail: permissionDetail(described.detail) };
}

function describe(use: ToolUse): Omit<AskedPermission, 'toolCallId'> | null {
  switch (use.kind) {
    case 'command':
      return { toolKind: 'execute', detail: `${use.cwd ? `in ${quoted(use.cwd)}: ` : ''}${use.command}` };
    case 'files':
      return describeFileUse(use.use);
    case 'context':
      return { toolKind: 'read', detail: `${use.use.tool}: ${use.use.query}` };
    case 'plan':
    case 'finish':
    case 'refused':
      return null;
  }
}

function describeFileUse(use: Extract<ToolUse, { kind: 'files' }>['use']): { toolKind: ToolKind; detail: string } {
  switch (use.tool) {
    case 'read_file':
    case 'list_files':
      return { toolKind: 'read', detail: `${use.tool} ${quoted(use.path || '.')}` };
    case 'search_text':
      return { toolKind: 'read', detail: `search_text in ${quoted(use.path || '.')}: ${use.pattern}` };
    case 'write_file':
      return { toolKind: 'edit', detail: `write_file ${quoted(use.path)}: ${use.content}` };
    case 'edit_file':
      return {
        toolKind: 'edit',
        detail: `edit_file ${quoted(use.path)}: ${quoted(use.find)} → ${quoted(use.replace)}`,
      };
    case 'apply_patch':
      return { toolKind: 'edit', detail: `apply_patch: ${use.patch}` };
  }
}

/** So that none of its parts reads like the next. */
function quoted(text: string): string {
  return JSON.stringify(text);
}
