// What a model is asked for a step, and what it answers: bounded as it comes, by the library's parts, whatever the provider.

import { jsonSchema, streamText, tool, type ToolSet } from 'ai';
import { z } from 'zod';
import { type TokenUsage, toolCallId } from '@worktrail/contract/turns';
import { estimateTokens } from './compaction.ts';
import type { modelMessages } from './conversation.ts';
import type { Finish } from './model-step-messages.ts';
import type { OpenModel } from './models.ts';
import { AnswerTooLarge, answerBytesMax, type StepStream } from './step-stream.ts';
import { tools } from './tools.ts';

const instructions = `You are an agent that works in a git repository, in a sandbox of your own. Use the tools to look, to change and to test.
Say what you found and what you changed when you are done.`;

const toolCallsMax = 64;
const toolNameLengthMax = 200;
const toolSet: ToolSet = Object.fromEntries(
  Object.entries(tools).map(([name, { description, input }]) => [
    name,
    // Read here, not by the library: what does not fit is the model's to hear of.
    tool({ description, inputSchema: jsonSchema(z.toJSONSchema(input, { io: 'input' }) as object) }),
  ]),
);

/** Of what the model is told beside the conversation. */
export const alwaysTokens =
  estimateTokens(JSON.stringify(Object.values(toolSet).map((one) => one.inputSchema))) + 1_000;

export interface Answer {
  finish: Finish;
  usage: TokenUsage;
  calls: { toolCallId: string; tool: string; inputJson: string }[];
}

/** Rejects where the answer is none, or is cut off. */
export async function askModel(
  { model, options, outputTokensMax, costUsd }: OpenModel,
  messages: ReturnType<typeof modelMessages>,
  stream: StepStream,
  { turnId, step, signal }: { turnId: string; step: number; signal: AbortSignal },
): Promise<Answer> {
  const calls: Answer['calls'] = [];
  let inputBytes = 0;
  const stop = new AbortController();
  try {
    const { fullStream } = streamText({
      ...{ model, messages, instructions, tools: toolSet, maxRetries: 0, providerOptions: options },
      ...(outputTokensMax !== null && { maxOutputTokens: outputTokensMax }),
      abortSignal: AbortSignal.any([signal, stop.signal]),
      // It is thrown below.
      onError: () => undefined,
    });
    for await (const part of fullStream) {
      if (part.type === 'text-delta') stream.push('text', part.text);
      else if (part.type === 'reasoning-delta') stream.push('reasoning', part.text);
      else if (part.type === 'tool-input-delta') stream.count(Buffer.byteLength(part.delta));
      else if (part.type === 'tool-call') {
        const inputJson = (typeof part.input === 'string' ? part.input : JSON.stringify(part.input)).toWellFormed();
        inputBytes += Buffer.byteLength(inputJson) + Buffer.byteLength(part.toolName);
        if (inputBytes > answerBytesMax) throw new AnswerTooLarge();
        if (calls.length === toolCallsMax)
          throw new AnswerTooLarge(`of more than ${toolCallsMax} uses of tools at once`);
        const tool = part.toolName.slice(0, toolNameLengthMax).toWellFormed();
        calls.push({ toolCallId: toolCallId(turnId, step, calls.length), tool, inputJson });
      } else if (part.type === 'error') throw part.error;
      else if (part.type === 'abort') signal.throwIfAborted();
      else if (part.type === 'finish') {
        if (isCutOff(part)) break;
        const { inputTokens = 0, outputTokens = 0, inputTokenDetails } = part.totalUsage;
        const taken = { inputTokens, outputTokens, cachedInputTokens: inputTokenDetails?.cacheReadTokens ?? 0 };
        return { finish: finishOf(part.finishReason), usage: { ...taken, costUsd: costUsd(taken) }, calls };
      }
    }
    throw new Error('its answer was cut off');
  } catch (error) {
    stop.abort();
    throw error;
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

/** What OpenAI's responses end with by themselves, for which they give no reason. */
const endsWithoutReason: readonly string[] = ['stop', 'tool-calls', 'content-filter'];

/** No provider has said that it was the end. */
export function isCutOff(end: { finishReason: string; rawFinishReason: string | undefined }): boolean {
  return end.rawFinishReason === undefined && !endsWithoutReason.includes(end.finishReason);
}
