// A turn of an agent that runs in the sandbox: what it remembers, what it asks for, what it comes to.

import type { AgentKind, ToolKind } from './agents.ts';
import { permissionDetail } from './permissions.ts';
import type { TokenUsage, TurnOutcome } from './turns.ts';

/** The agent's own memory of a session, in the sandbox's home, as a turn has left it. */
export interface AgentConversation {
  kind: AgentKind;
  command: string;
  /** As the agent names it. */
  id: string;
  /** The turn that left it: of what came after that it knows nothing. */
  turnId: string;
}

export interface PermissionDecided {
  toolCallId: string;
  decision: 'allow' | 'deny';
}

export interface PermissionAsked {
  /** One use of a tool; asked again it is the same question. */
  toolCallId: string;
  toolKind: ToolKind;
  /** Made by `permissionDetail`. */
  detail: string;
}

/** Of one answer; what is asked for beyond that is asked for once these are decided. */
export const permissionsAskedMax = 100;

/** As it passes Temporal, whatever the agent has said. */
export function boundedAsks(result: AgentTurnResult): AgentTurnResult {
  if (result.kind !== 'permissions') return result;
  const asked = result.asked.slice(0, permissionsAskedMax);
  return { ...result, asked: asked.map((one) => ({ ...one, detail: permissionDetail(one.detail) })) };
}

export type AgentTurnResult =
  /** It waits for these. Asked again with what was decided, it goes on. */
  | { kind: 'permissions'; asked: PermissionAsked[] }
  | {
      kind: 'ended';
      outcome: TurnOutcome;
      reason: string;
      /** Uses of tools. */
      steps: number;
      /** As the agent tells it; zeros where it does not. */
      usage: TokenUsage;
      conversation: AgentConversation | null;
    };
