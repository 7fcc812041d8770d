// A session's conversation, from its history: the one source of what a model is told.
//
// 1. Turns in the order in which they began, each with its message, its steps, and what their tools came to. The same events give the same
//    conversation, on whatever host.
// 2. Of a step only its `message.agent` counts: what an attempt left that was cut off is not in it.
// 3. Each call of a tool has an end, for a model: one that has none in the history was cut off.

import type { ModelMessage, ToolResultPart } from 'ai';
import type { Event, MessageAgent } from '@worktrail/proto/event';

export interface TurnTranscript {
  turnId: string;
  text: string;
  hasBegun: boolean;
  steps: StepTranscript[];
  /** null: it goes on. */
  outcome: string | null;
}

export interface StepTranscript {
  producer: string;
  message: MessageAgent;
}

export interface Conversation {
  turns: Map<string, TurnTranscript>;
  /** By the id of the call: the output as it was told. */
  outputs: Map<string, string>;
}

/** The types that `addEvent` looks at. */
export const conversationTypes = ['turn.started', 'turn.ended', 'message.user', 'message.agent', 'tool.ended'] as const;

export function newConversation(): Conversation {
  return { turns: new Map(), outputs: new Map() };
}

export function addEvent(conversation: Conversation, { turnId, producer, payload }: Event): void {
  const { turns, outputs } = conversation;
  if (payload.case === 'toolEnded') outputs.set(payload.value.toolCallId, payload.value.outputJson);
  const turn = turns.get(turnId) ?? { turnId, text: '', hasBegun: false, steps: [], outcome: null };
  switch (payload.case) {
    case 'messageUser':
      turn.text = payload.value.text;
      break;
    case 'turnStarted':
      // In the order in which they begin.
      turns.delete(turnId);
      turn.hasBegun = true;
      break;
    case 'messageAgent':
      // An agent in the sandbox says many as one producer.
      if (!turn.steps.some(({ message }) => message.messageId === payload.value.messageId))
        turn.steps.push({ producer, message: payload.value });
      break;
    case 'turnEnded':
      turn.outcome = payload.value.outcome;
      break;
    default:
      return;
  }
  turns.set(turnId, turn);
}

export function findStep({ turns }: Conversation, turnId: string, producer: string): MessageAgent | undefined {
  return turns.get(turnId)?.steps.find((step) => step.producer === producer)?.message;
}

export function modelMessages({ turns, outputs }: Conversation): ModelMessage[] {
  const messages: ModelMessage[] = [];
  for (const { text, hasBegun, steps } of turns.values()) {
    if (!hasBegun) continue;
    messages.push({ role: 'user', content: text });
    for (const { message } of steps) messages.push(...stepMessages(message, outputs));
  }
  return messages;
}

function stepMessages({ text, toolCalls }: MessageAgent, outputs: ReadonlyMap<string, string>): ModelMessage[] {
  const calls = toolCalls.map(({ toolCallId, tool, inputJson }) => ({
    type: 'tool-call' as const,
    toolCallId,
    toolName: tool,
    input: readInput(inputJson),
  }));
  const content = [...(text ? [{ type: 'text' as const, text }] : []), ...calls];
  if (content.length === 0) return [];
  const assistant: ModelMessage = { role: 'assistant', content };
  if (toolCalls.length === 0) return [assistant];
  const results = toolCalls.map(
    ({ toolCallId, tool }): ToolResultPart => ({
      type: 'tool-result',
      toolCallId,
      toolName: tool,
      output: { type: 'text', value: outputs.get(toolCallId) ?? '{"error":"it was cut off"}' },
    }),
  );
  return [assistant, { role: 'tool', content: results }];
}

function readInput(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return { unreadable: json.slice(0, 1_000) };
  }
}
