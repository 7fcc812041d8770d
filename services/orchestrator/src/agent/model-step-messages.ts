// What a step of a turn is asked for and what it comes to, as the session's workflow has it.

import type { CommandResult } from '@worktrail/contract/commands';
import type { ContextToolUse, FileToolUse } from '@worktrail/contract/agent-tools';
import type { InheritedHistory } from '@worktrail/contract/forks';
import type { SandboxRef } from '@worktrail/contract/sandbox-activities';
import type { TokenUsage } from '@worktrail/contract/turns';

/** Types of its failures. It cannot be had, or what it says cannot be used. */
export const modelRefused = 'model_refused';
/** In a way that may pass. */
export const modelUnavailable = 'model_unavailable';
/** It goes round in circles. */
export const modelRepeats = 'model_repeats';

/** How far a producer is in the history. */
export interface EventPoint {
  producer: string;
  number: number;
}

/** A command that the agent wanted has ended, and what the model is told of it is not written down yet. */
export interface CommandToTell {
  toolCallId: string;
  commandId: string;
  result: CommandResult | null;
}

export interface ModelStepInput {
  ref: SandboxRef;
  inherited: InheritedHistory[];
  turnId: string;
  /** From 1. */
  step: number;
  /** The newest of what is being written down beside the step, and has to be in the history before the model is asked; null: all of it is. */
  after: EventPoint | null;
  /** To be written down before the model is asked; null: nothing is. */
  toTell: CommandToTell | null;
  /** As the operator has named it. */
  model: string;
}

export type Finish = 'stop' | 'tool_calls' | 'length' | 'content_filter' | 'empty' | 'other';

export interface ModelStepResult {
  finish: Finish;
  /** With that of the summaries that were made for it. */
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
