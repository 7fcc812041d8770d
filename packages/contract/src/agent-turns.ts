// A turn of an agent that runs in the sandbox: what its runner is asked for, and what it comes to. Types only.

import type { AgentKind, AgentSpec, ToolKind } from './agents.ts';
import type { Environment } from './environment.ts';
import type { InheritedHistory } from './forks.ts';
import type { SandboxRef } from './sandbox-activities.ts';
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

export interface RunAgentTurnInput extends SandboxRef {
  turnId: string;
  /** Of what it leaves in the history. */
  producer: string;
  text: string;
  agent: AgentSpec;
  environment: Pick<Environment, 'env'> & { resources: Pick<Environment['resources'], 'outputBytesMax'> };
  /** The session's own variables. */
  env: Record<string, string>;
  inherited: InheritedHistory[];
  conversation: AgentConversation | null;
  /** An attempt in another sandbox may have begun it: one that is not here is lost. */
  mayHaveBegun: boolean;
  /** All of the turn so far. */
  decided: PermissionDecided[];
  /** End it: nobody waits for what it would say. */
  stop: boolean;
}

export interface PermissionAsked {
  /** One use of a tool; asked again it is the same question. */
  toolCallId: string;
  toolKind: ToolKind;
  /** Of any length, as the agent has it. */
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
