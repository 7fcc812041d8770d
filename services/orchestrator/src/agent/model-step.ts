// One call of the model: told what the history says, its answer written into the history as it comes, and whole at the end.
//
// 1. `message.agent` is the step: what the turn does next follows from it alone. A step that has one is not asked of the model again.
// 2. Deltas carry the attempt that they are of; an attempt without its `message.agent` is superseded by the next.
// 3. What the model says is bounded, and believed in nothing: tools and their input are checked here, before anything acts on them.

import { jsonSchema, type LanguageModel, streamText, tool, type ToolSet } from 'ai';
import { z } from 'zod';
import { modelStepProducer, type TokenUsage, toolCallId } from '@worktrail/contract/turns';
import type { MessageAgent } from '@worktrail/proto/event';
import {
  createProducer,
  type EventPayloadInit,
  type ProducerDeps,
  recoverProducer,
} from '@worktrail/runtime/event-producer';
import { findStep, modelMessages } from './conversation.ts';
import type { ConversationReader } from './conversation-reader.ts';
import { modelFailure, toApplicationFailure } from './model-failure.ts';
import type { Models } from './models.ts';
import { createStepStream, type StepStream } from './step-stream.ts';
import type { Finish, ModelStepInput, ModelStepResult, ToolUse } from './model-step-messages.ts';
import { tools, toolUse } from './tools.ts';

export interface ModelStepDeps {
  producer: ProducerDeps;
  conversations: ConversationReader;
  models: Models;
  clock: () => number;
}

const instructions = `You are an agent that works in a git repository, in a sandbox of your own. Use the tools to look, to change and to test.
Say what you found and what you changed when you are done.`;

const toolSet: ToolSet = Object.fromEntries(
  Object.entries(tools).map(([name, { description, input }]) => [
    name,
    // Read here, not by the library: what does not fit is the model's to hear of.
    tool({ description, inputSchema: jsonSchema(z.toJSONSchema(input, { io: 'input' }) as object) }),
  ]),
);

/** `attempt`: of this step, from 1. */
export async function makeModelStep(
  { producer: events, conversations, models, clock }: ModelStepDeps,
  { ref, inherited, turnId, step, model: name }: ModelStepInput,
  attempt: number,
  signal: AbortSignal,
): Promise<ModelStepResult> {
  const model = models.open(name);
  if (!model) {
    const known = models.providers.map((one) => `"${one}/…"`).join(', ') || 'none: the operator has given no key';
    throw toApplicationFailure({
      type: 'model_refused',
      detail: `there is no model "${name}"; there are: ${known}`,
      retryAfterMs: null,
    });
  }
  const producerName = modelStepProducer(turnId, step);
  const where = { ...ref, producer: producerName, signal };
  const stored = attempt === 1 ? undefined : await recoverProducer(events, where);
  const producer = createProducer(events, where, stored);
  const append = (payload: EventPayloadInit) =>
    producer.append({ time: new Date(clock()), actor: { kind: 'agent', id: name }, turnId, payload });

  const conversation = await conversations.read(ref, inherited, signal);
  const made = findStep(conversation, turnId, producerName);
  if (made) return resultOf(made);

  const messageId = producerName;
  const stream = createStepStream({ append, messageId, attempt });
  const answer = await ask(model, modelMessages(conversation), stream, { turnId, step, signal, clock });
  await stream.finish();
  const { reasoning, text } = stream;
  if (reasoning) await append({ case: 'reasoning', value: { messageId, text: reasoning, attempt } });
  const usage = usageMessage(name, answer.usage);
  const value = { messageId, text, attempt, finish: answer.finish, toolCalls: answer.calls, usage };
  await append({ case: 'messageAgent', value });
  return { finish: answer.finish, usage: answer.usage, tools: answer.calls.map(useOf) };
}

interface Answer {
  finish: Finish;
  usage: TokenUsage;
  calls: { toolCallId: string; tool: string; inputJson: string }[];
}

async function ask(
  model: LanguageModel,
  messages: ReturnType<typeof modelMessages>,
  stream: StepStream,
  { turnId, step, signal, clock }: { turnId: string; step: number; signal: AbortSignal; clock: () => number },
): Promise<Answer> {
  const calls: Answer['calls'] = [];
  const stop = new AbortController();
  try {
    const { fullStream } = streamText({
      ...{ model, messages, instructions, tools: toolSet, maxRetries: 0 },
      abortSignal: AbortSignal.any([signal, stop.signal]),
      // It is thrown below.
      onError: () => undefined,
    });
    for await (const part of fullStream) {
      if (part.type === 'text-delta') stream.push('text', part.text);
      else if (part.type === 'reasoning-delta') stream.push('reasoning', part.text);
      else if (part.type === 'tool-input-delta') stream.count(Buffer.byteLength(part.delta));
      else if (part.type === 'tool-call') {
        const inputJson = typeof part.input === 'string' ? part.input : JSON.stringify(part.input);
        calls.push({ toolCallId: toolCallId(turnId, step, calls.length), tool: part.toolName, inputJson });
      } else if (part.type === 'error') throw part.error;
      else if (part.type === 'abort') signal.throwIfAborted();
      else if (part.type === 'finish') {
        const { inputTokens = 0, outputTokens = 0, inputTokenDetails } = part.totalUsage;
        const cachedInputTokens = inputTokenDetails?.cacheReadTokens ?? 0;
        return {
          finish: finishOf(part.finishReason),
          usage: { inputTokens, outputTokens, cachedInputTokens, costUsd: 0 },
          calls,
        };
      }
    }
    throw new Error('its answer was cut off');
  } catch (error) {
    stop.abort();
    signal.throwIfAborted();
    throw toApplicationFailure(modelFailure(error, clock()));
  }
}

function finishOf(reason: string): Finish {
  switch (reason) {
    case 'stop':
      return 'stop';
    case 'tool-calls':
      return 'tool_calls';
    case 'length':
      return 'length';
    case 'content-filter':
      return 'content_filter';
    default:
      return 'other';
  }
}

function usageMessage(model: string, { inputTokens, outputTokens, cachedInputTokens, costUsd }: TokenUsage) {
  return {
    model,
    inputTokens: BigInt(inputTokens),
    outputTokens: BigInt(outputTokens),
    cachedInputTokens: BigInt(cachedInputTokens),
    costUsd,
  };
}

function resultOf({ finish, usage, toolCalls }: MessageAgent): ModelStepResult {
  return {
    finish: finish as Finish,
    usage: {
      inputTokens: Number(usage?.inputTokens ?? 0n),
      outputTokens: Number(usage?.outputTokens ?? 0n),
      cachedInputTokens: Number(usage?.cachedInputTokens ?? 0n),
      costUsd: usage?.costUsd ?? 0,
    },
    tools: toolCalls.map(useOf),
  };
}

function useOf({ toolCallId: id, tool: name, inputJson }: Answer['calls'][number]): ToolUse {
  return toolUse({ id, tool: name, inputJson });
}
