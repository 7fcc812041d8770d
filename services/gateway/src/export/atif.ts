// A history as a trajectory in the Agent Trajectory Interchange Format, version 1.7 (harbor-framework/harbor, docs of ATIF).
//
// 1. One document, written as it is read. What is held is one step: a message of the agent waits for the ends of the tools it asked for.
// 2. A message is a step; so is a tool that no message asked for by itself (of an agent in the sandbox), and each command that was not run by
//    a tool. What a fork has inherited is `is_copied_context`.
// 3. The last line is the member `extra`: its sha256 is of all bytes before it.

import { publicEvent, type PublicEvent } from '@worktrail/contract/event-json';
import type { EventType } from '@worktrail/contract/event-types';
import type { ExportedSession } from '@worktrail/contract/session-export';
import { commandEnd } from './command-end.ts';
import { createExcerpt, type Excerpt, type ExportFormat } from './export-format.ts';

const schemaVersion = 'ATIF-v1.7';
const outputCharactersMax = 64_000;
const commandsMax = 100;
/** Of one step. */
const toolCallsMax = 200;

export const inTrajectory: readonly EventType[] = [
  'session.created',
  'message.user',
  'message.agent',
  'message.summary',
  'reasoning',
  'tool.started',
  'tool.ended',
  'usage',
  'turn.ended',
  'command.queued',
  'command.output',
  'command.ended',
  'trial.verdict',
];

interface ToolCall {
  tool_call_id: string;
  function_name: string;
  arguments: Record<string, unknown>;
  extra?: Record<string, unknown>;
}

interface Result {
  source_call_id?: string;
  content: string;
  extra?: Record<string, unknown>;
}

interface Step {
  timestamp: string;
  source: 'system' | 'user' | 'agent';
  model_name?: string;
  message: string;
  reasoning_content?: string;
  tool_calls?: ToolCall[];
  observation?: { results: Result[] };
  metrics?: Record<string, number>;
  llm_call_count?: number;
  is_copied_context?: true;
  extra?: Record<string, unknown>;
}

export function createTrajectory(session: ExportedSession, agentVersion: string): ExportFormat {
  const commands = new Map<string, { command: string; origin: string; output: Excerpt }>();
  const totals = { total_prompt_tokens: 0, total_completion_tokens: 0, total_cached_tokens: 0, total_cost_usd: 0 };
  let steps = 0;
  let held: Step | undefined;
  let reasoning: { messageId: string; attempt: unknown; text: string } | undefined;
  let model = '';

  function written(step: Step): string {
    steps += 1;
    return `${steps === 1 ? '' : ','}\n${JSON.stringify({ step_id: steps, ...step })}`;
  }

  function flush(): string {
    const step = held;
    held = undefined;
    return step ? written(step) : '';
  }

  function step(event: PublicEvent, source: Step['source'], message: string, more: Partial<Step> = {}): Step {
    const copied = event.sessionId !== session.id && { is_copied_context: true as const };
    return { timestamp: event.time, source, message, ...more, ...copied };
  }

  function agentMessage(event: PublicEvent): string {
    const { data } = event;
    const before = flush();
    const usage = data['usage'] as Record<string, unknown> | undefined;
    const isOfIt = reasoning?.messageId === data['messageId'] && reasoning?.attempt === data['attempt'];
    const thought = isOfIt ? reasoning?.text : undefined;
    const calls = ((data['toolCalls'] as Record<string, unknown>[] | undefined) ?? []).slice(0, toolCallsMax);
    if (usage) model = model || string(usage['model']);
    held = step(event, 'agent', string(data['text']), {
      ...(usage && string(usage['model']) !== '' && { model_name: string(usage['model']) }),
      ...(thought && { reasoning_content: thought }),
      ...(calls.length > 0 && { tool_calls: calls.map(toolCall) }),
      ...(usage && { metrics: metrics(usage), llm_call_count: 1 }),
    });
    reasoning = undefined;
    return before;
  }

  /** Where no message has asked for it, a tool is of the step that is held, or begins one. */
  function toolStarted(event: PublicEvent): string {
    const id = string(event.data['toolCallId']);
    if (held?.tool_calls?.some((call) => call.tool_call_id === id)) return '';
    const isFull = held?.source !== 'agent' || (held.tool_calls?.length ?? 0) >= toolCallsMax;
    const before = isFull ? flush() : '';
    held ??= step(event, 'agent', '');
    held.tool_calls = [...(held.tool_calls ?? []), toolCall(event.data)];
    return before;
  }

  function toolEnded(event: PublicEvent): string {
    const { toolCallId, outputJson, failed } = event.data;
    const isKnown = held?.tool_calls?.some((call) => call.tool_call_id === toolCallId);
    const result: Result = { content: string(outputJson), ...(failed === true && { extra: { failed } }) };
    if (!isKnown) {
      return (
        flush() + written(step(event, 'system', '', { observation: { results: [result] }, extra: { toolCallId } }))
      );
    }
    const results = held!.observation?.results ?? [];
    held!.observation = { results: [...results, { source_call_id: string(toolCallId), ...result }] };
    return '';
  }

  function commandEnded(event: PublicEvent): string {
    const id = event.commandId ?? '';
    const known = commands.get(id);
    commands.delete(id);
    if (!known) return '';
    const { command, origin, output } = known;
    const results = [{ content: `${output.text()}\n[${commandEnd(event.data)}]` }];
    const more = { observation: { results }, extra: { commandId: id, origin } };
    return flush() + written(step(event, origin === 'user' ? 'user' : 'system', `$ ${command}`, more));
  }

  function textOf(event: PublicEvent): string {
    const { type, data, commandId = '' } = event;
    switch (type) {
      case 'session.created':
        return flush() + written(step(event, 'system', `A session begins on branch ${string(data['branch'])}.`));
      case 'message.user':
        return flush() + written(step(event, 'user', string(data['text'])));
      case 'message.agent':
        return agentMessage(event);
      case 'message.summary':
        return flush() + written(step(event, 'system', `Summary of what was before:\n${string(data['text'])}`));
      case 'reasoning': {
        const { messageId, attempt } = data;
        const goesOn = reasoning?.messageId === messageId && reasoning?.attempt === attempt;
        reasoning = {
          ...{ messageId: string(messageId), attempt },
          text: ((goesOn ? reasoning!.text : '') + string(data['text'])).slice(-outputCharactersMax),
        };
        return '';
      }
      case 'tool.started':
        return toolStarted(event);
      case 'tool.ended':
        return toolEnded(event);
      case 'usage': {
        const used = metrics(data);
        totals.total_prompt_tokens += used.prompt_tokens;
        totals.total_completion_tokens += used.completion_tokens;
        totals.total_cached_tokens += used.cached_tokens;
        totals.total_cost_usd += used.cost_usd;
        return '';
      }
      case 'turn.ended':
        if (data['outcome'] === 'completed') return flush();
        return (
          flush() +
          written(step(event, 'system', `The turn ended as ${string(data['outcome'])}: ${string(data['reason'])}`))
        );
      case 'command.queued':
        if (data['origin'] === 'agent') return '';
        commands.set(commandId, {
          ...{ command: string(data['command']), origin: string(data['origin']) },
          output: createExcerpt(outputCharactersMax),
        });
        if (commands.size > commandsMax) commands.delete(commands.keys().next().value!);
        return '';
      case 'command.ended':
        return commandEnded(event);
      case 'trial.verdict':
        return (
          flush() +
          written(
            step(event, 'system', `The trial's verdict: ${string(data['verdict']) || 'none'}`, { extra: { ...data } }),
          )
        );
      default:
        return '';
    }
  }

  return {
    begin: () =>
      `{"schema_version":${JSON.stringify(schemaVersion)},"session_id":${JSON.stringify(session.id)},"trajectory_id":${JSON.stringify(session.id)},"steps":[`,
    event: ({ event, cursor }) => {
      if (event.payload.case !== 'commandOutput') return textOf(publicEvent(event, cursor));
      commands.get(event.commandId)?.output.add(event.payload.value.bytes);
      return '';
    },
    rest: () => {
      const nothing = { timestamp: session.createdAt, source: 'system' as const, message: 'Nothing has happened.' };
      const last = flush() || (steps === 0 ? written(nothing) : '');
      const agent = { name: 'worktrail', version: agentVersion, ...(model && { model_name: model }) };
      const notes = 'Tokens and cost are of all calls of models, also of those that made no step.';
      return `${last}\n],"agent":${JSON.stringify(agent)},"notes":${JSON.stringify(notes)},"final_metrics":${JSON.stringify({ ...totals, total_steps: steps })}\n`;
    },
    end: (sums) => `,"extra":${JSON.stringify({ session, ...sums })}}\n`,
  };
}

function toolCall(data: Record<string, unknown>): ToolCall {
  const given = string(data['inputJson']);
  const input = parsed(given);
  return {
    tool_call_id: string(data['toolCallId']),
    function_name: string(data['tool']),
    arguments: input ?? {},
    ...(!input && given !== '' && { extra: { input: given } }),
  };
}

/** Undefined for what is no JSON object: a model may say anything. */
function parsed(json: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

function metrics(usage: Record<string, unknown>) {
  return {
    prompt_tokens: Number(usage['inputTokens'] ?? 0),
    completion_tokens: Number(usage['outputTokens'] ?? 0),
    cached_tokens: Number(usage['cachedInputTokens'] ?? 0),
    cost_usd: Number(usage['costUsd'] ?? 0),
  };
}

function string(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
