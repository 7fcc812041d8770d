// What a step of a turn is asked for and what it comes to, as the session's workflow has it. Types only.

import type { ContextToolUse, FileToolUse } from '@worktrail/contract/agent-tools';
import type { InheritedHistory } from '@worktrail/contract/forks';
import type { SandboxRef } from '@worktrail/contract/sandbox-activities';
import type { TokenUsage } from '@worktrail/contract/turns';

export interface ModelStepInput {
  ref: SandboxRef;
  inherited: InheritedHistory[];
  turnId: string;
  /** From 1. */
  step: number;
  /** As the operator has named it. */
  model: string;
}

export type Finish = 'stop' | 'tool_calls' | 'length' | 'content_filter' | 'other';

export interface ModelStepResult {
  finish: Finish;
  usage: TokenUsage;
  /** In the order in which they are to be done; empty: the turn is over. */
  tools: ToolUse[];
}

/** As the model gave it, and nothing is believed of it. */
export interface ToolCallRequest {
  id: string;
  tool: string;
  inputJson: string;
}

export type ToolUse =
  | (ToolCallRequest & { kind: 'command'; command: string; cwd: string; timeoutSeconds: number })
  | (ToolCallRequest & { kind: 'files'; use: FileToolUse })
  | (ToolCallRequest & { kind: 'context'; use: ContextToolUse })
  | (ToolCallRequest & { kind: 'plan'; items: { text: string; state: string }[] })
  | (ToolCallRequest & { kind: 'finish' })
  /** It cannot be done. */
  | (ToolCallRequest & { kind: 'refused'; detail: string });
