// A turn of an agent that runs in the sandbox: what it remembers, what it asks for, what it comes to. Types only.

import type { AgentKind, ToolKind } from './agents.ts';
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
  /** As the agent has it; cut where it is long. */
  detail: string;
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
