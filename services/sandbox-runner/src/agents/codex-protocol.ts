// One message to Codex in its JSON mode, as a fold over the events that it prints, a line each. Where it may know an earlier conversation, it
// is given the message once its first line (of `profiles/codex.ts`) has said whether it does.

import { z } from 'zod';
import type { TokenUsage } from '@worktrail/contract/turns';
import { type AgentEffect, AgentMisbehaved, type AgentProtocol } from './agent-effects.ts';
import { createAgentTelling, type ToolTold } from './agent-telling.ts';

const unreadableMax = 100;
const text = z.string().max(4 * 1024 * 1024);
const tokens = z.number().int().min(0).max(1e12);
const item = z.looseObject({ id: z.string().max(1_000), type: z.string(), status: z.string().nullish() });
const event = z.looseObject({
  type: z.string(),
  thread_id: z.string().max(200).nullish(),
  item: item.nullish(),
  message: text.nullish(),
  error: z.object({ message: text.nullish() }).nullish(),
  usage: z
    .object({ input_tokens: tokens, output_tokens: tokens, cached_input_tokens: tokens.nullish() })
    .nullish()
    .catch(null),
});
type Item = z.output<typeof item>;

export interface CodexOptions {
  turnId: string;
  conversationId: string | null;
  prompt(knowsConversation: boolean): string;
}

const inputKey = 'message';
const resumedType = 'worktrail.resumed';
const begunType = 'worktrail.begun';
export const conversationResumed = JSON.stringify({ type: resumedType });
export const conversationBegun = JSON.stringify({ type: begunType });

export function createCodexProtocol({ turnId, conversationId, prompt }: CodexOptions): AgentProtocol {
  const telling = createAgentTelling(turnId);
  const usage: TokenUsage = { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, costUsd: 0 };
  let threadId = conversationId;
  let begun = false;
  let isGiven = false;
  let unreadable = 0;

  function told(one: Item, isOver: boolean): AgentEffect[] {
    switch (one.type) {
      case 'agent_message':
        return isOver ? telling.say('text', textIn(one, 'text'), one.id) : [];
      case 'reasoning':
        return isOver ? telling.say('reasoning', textIn(one, 'text'), one.id) : [];
      case 'todo_list':
        return telling.plan(todosIn(one));
      case 'command_execution':
        return used(one, isOver, {
          name: 'command',
          input: { command: one['command'] },
          output: textIn(one, 'aggregated_output'),
        });
      case 'file_change':
        return used(one, isOver, { name: 'file_change', input: { changes: one['changes'] } });
      case 'mcp_tool_call':
        return used(one, isOver, { name: `${textIn(one, 'server')} ${textIn(one, 'tool')}`, input: one['arguments'] });
      case 'web_search':
        return used(one, isOver, { name: 'web_search', input: { query: one['query'] } });
      default:
        return [];
    }
  }

  function used({ id, status }: Item, isOver: boolean, what: ToolTold): AgentEffect[] {
    const ended = status === 'failed' || status === 'declined' ? 'failed' : 'completed';
    return telling.tool(id, { ...what, state: isOver ? ended : 'running' });
  }

  function ends(outcome: 'completed' | 'failed', reason: string): AgentEffect[] {
    return [...telling.close('own'), { do: 'end', outcome, reason }];
  }

  function give(knowsConversation: boolean): AgentEffect[] {
    if (isGiven) return [];
    isGiven = true;
    return [{ do: 'send', key: inputKey, bytes: `${prompt(knowsConversation)}\n`, whole: true }];
  }

  return {
    begin: () => (conversationId === null ? give(false) : []),
    accept(line) {
      const read = event.safeParse(parseJson(line));
      if (!read.success) {
        if (line.trim() !== '') unreadable += 1;
        if (unreadable > unreadableMax) throw new AgentMisbehaved('the agent does not tell what it does as JSON');
        return [];
      }
      const { type, thread_id, item: one, usage: counted, error, message } = read.data;
      switch (type) {
        case resumedType:
        case begunType:
          return give(type === resumedType);
        case 'thread.started':
          begun = true;
          threadId = thread_id ?? threadId;
          return [];
        case 'item.started':
        case 'item.updated':
        case 'item.completed':
          return one ? told(one, type === 'item.completed') : [];
        case 'turn.completed':
          usage.inputTokens = counted?.input_tokens ?? 0;
          usage.outputTokens = counted?.output_tokens ?? 0;
          usage.cachedInputTokens = counted?.cached_input_tokens ?? 0;
          return ends('completed', '');
        case 'turn.failed':
          return ends(
            'failed',
            `the agent has failed: ${(error?.message ?? message ?? 'no reason given').slice(0, 300)}`,
          );
        default:
          return [];
      }
    },
    cancel: () => [],
    close: () => telling.close('all'),
    terminalEnded: () => [],
    messageKey: inputKey,
    hasBegun: () => begun,
    steps: telling.steps,
    usage: () => ({ ...usage }),
    conversationId: () => threadId,
    // It is given again as a whole, of which nothing is written twice.
    sentKeys: () => [],
  };
}

function textIn(one: Item, field: string): string {
  const value = one[field];
  return typeof value === 'string' ? value : '';
}

function todosIn(one: Item): { text: string; state: string }[] {
  const items = Array.isArray(one['items']) ? (one['items'] as unknown[]) : [];
  return items.flatMap((todo) => {
    const read = z.object({ text, completed: z.boolean() }).safeParse(todo);
    return read.success ? [{ text: read.data.text, state: read.data.completed ? 'done' : 'open' }] : [];
  });
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
