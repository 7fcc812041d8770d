// One call of the model: told what the history says, its answer written into the history as it comes, and whole at the end.
//
// 1. `message.agent` is the step: what the turn does next follows from it alone. A step that has one is not asked of the model again.
// 2. Deltas carry the attempt that they are of; an attempt without its `message.agent` is superseded by the next.
// 3. What the model says is bounded, and believed in nothing: tools and their input are checked here, before anything acts on them.
// 4. What the session is still writing down is waited for, and the end of a command that is left to this step is written down: the model is
//    told of all that came before, and what it says comes after it.
// 5. A model that lets its turn wait for long is told of with its reason, as `limit.reached`.
// 6. What no longer fits the model is summarized before (compaction.ts), and told in the usage of the step.

import { modelStepProducer, type TokenUsage } from '@worktrail/contract/turns';
import type { MessageAgent } from '@worktrail/proto/event';
import {
  createProducer,
  type EventPayloadInit,
  type ProducerDeps,
  recoverProducer,
} from '@worktrail/runtime/event-producer';
import type { ConcludeCommandInput } from './agent-activities.ts';
import type { AppendedDrafts } from './appended-drafts.ts';
import { alwaysTokens, type Answer, askModel } from './ask-model.ts';
import { type CompactionDeps, compact, conversationTokens, tokenBudget } from './compaction.ts';
import { type Conversation, findStep, modelMessages } from './conversation.ts';
import type { ConversationReader } from './conversation-reader.ts';
import { isContextExceeded, isUnreadable, modelFailure, toApplicationFailure, waitToTell } from './model-failure.ts';
import {
  type Finish,
  modelRefused,
  modelRepeats,
  type ModelStepInput,
  type ModelStepResult,
  modelUnavailable,
  type ToolUse,
} from './model-step-messages.ts';
import type { Models, OpenModel } from './models.ts';
import { judgeRepetition, repetitionNote } from './repetition.ts';
import { AnswerTooLarge, createStepStream, type StepStream } from './step-stream.ts';
import { summarize } from './summarize.ts';
import { toolUse } from './tools.ts';
import { addUsage, readUsage, usageMessage } from './usage.ts';

export interface ModelStepDeps {
  producer: ProducerDeps;
  conversations: ConversationReader;
  appended: AppendedDrafts;
  conclude(input: ConcludeCommandInput, signal: AbortSignal): Promise<void>;
  models: Models;
  clock: () => number;
}

/** Of what the session's workflow is told of a step, as JSON: it carries that beside its commands and messages, all of it below 2 MiB. */
const resultBytesMax = 512 * 1024;
/** A model that says nothing, or what cannot be read, is asked again: so often in all. */
const uselessAttemptsMax = 3;
/** How often less is told to a model that says it was too much. */
const shorteningsMax = 3;

/** `attempt`: of this step, from 1. */
export async function makeModelStep(
  { producer: events, conversations, appended, conclude, models, clock }: ModelStepDeps,
  { ref, inherited, turnId, step, after, toTell, model: name }: ModelStepInput,
  attempt: number,
  signal: AbortSignal,
): Promise<ModelStepResult> {
  const opened = models.open(name);
  if ('missing' in opened) throw failure(modelRefused, opened.missing);
  const producerName = modelStepProducer(turnId, step);
  const where = { ...ref, producer: producerName, signal };
  const stored = attempt === 1 ? undefined : await recoverProducer(events, where);
  const producer = createProducer(events, where, stored);
  const append = (payload: EventPayloadInit) =>
    producer.append({ time: new Date(clock()), actor: { kind: 'agent', id: name }, turnId, payload });

  if (after) await appended.until(ref, after, signal);
  if (toTell) await conclude({ ref, turnId, ...toTell }, signal);
  const conversation = await conversations.read(ref, inherited, { turnId, step }, signal);
  const before = conversation.summarized.producer === producerName ? conversation.summarized.usage : [];
  const made = findStep(conversation, producerName);
  if (made) return resultOf(made, before);
  const { verdict, count } = judgeRepetition(conversation, turnId);
  if (verdict === 'end') throw failure(modelRepeats, `the same was asked for ${count} times, with the same result`);
  const lastWord = verdict === 'tell' ? [repetitionNote(count)] : [];

  const messageId = producerName;
  const stream = createStepStream({ append, messageId, attempt });
  const compaction: CompactionDeps = {
    summarize: (transcript, tokensMax) => summarize(opened, transcript, tokensMax, signal),
    store: async (throughMessageId, { text, usage }) => {
      await append({ case: 'messageSummary', value: { throughMessageId, text, usage: usageMessage(name, usage) } });
    },
    isTooLong: isContextExceeded,
  };
  const asking = { turnId, step, signal };
  let answer: Answer;
  let summaries: TokenUsage[];
  try {
    ({ answer, summaries } = await askWithin(opened, conversation, compaction, (told) =>
      askModel(opened, [...modelMessages(told), ...lastWord], stream, asking),
    ));
  } catch (error) {
    signal.throwIfAborted();
    const { type, detail, ...when } = modelFailure(error, clock());
    const isForGood = attempt >= uselessAttemptsMax && isUnreadable(error);
    const failed = { ...when, type: isForGood ? modelRefused : type, detail: models.mask(detail) };
    const wait = waitToTell(failed, attempt);
    if (wait !== null) {
      await stream.finish();
      await append({ case: 'limitReached', value: { limit: 'model', detail: wait } });
    }
    throw toApplicationFailure(failed);
  }
  if (isEmpty(answer, stream)) {
    if (attempt < uselessAttemptsMax) throw failure(modelUnavailable, "the model's answer was empty");
    answer.finish = 'empty';
  }
  const usage = addUsage(answer.usage, ...before, ...summaries);
  const result = { finish: answer.finish, usage, tools: answer.calls.map(useOf) };
  const resultBytes = Buffer.byteLength(JSON.stringify(result));
  if (resultBytes > resultBytesMax) throw failure(modelRefused, new AnswerTooLarge('of too much for one step').message);

  await stream.finish();
  const { reasoning, text } = stream;
  if (reasoning) await append({ case: 'reasoning', value: { messageId, text: reasoning, attempt } });
  const value = { messageId, text, attempt, finish: answer.finish, toolCalls: answer.calls };
  await append({ case: 'messageAgent', value: { ...value, usage: usageMessage(name, answer.usage) } });
  return result;
}

function failure(type: typeof modelRefused | typeof modelUnavailable | typeof modelRepeats, detail: string) {
  return toApplicationFailure({ type, detail, retryAfterMs: null });
}

/** Tells the model as much as it takes in. */
async function askWithin(
  opened: OpenModel,
  conversation: Conversation,
  compaction: CompactionDeps,
  ask: (told: Conversation) => Promise<Answer>,
): Promise<{ answer: Answer; summaries: TokenUsage[] }> {
  const summaries: TokenUsage[] = [];
  let told = conversation;
  let budget = tokenBudget(opened, alwaysTokens);
  for (let shortenings = 0; ; shortenings += 1) {
    const compacted = await compact(compaction, told, budget);
    told = compacted.conversation;
    summaries.push(...compacted.usage);
    try {
      return { answer: await ask(told), summaries };
    } catch (error) {
      if (!isContextExceeded(error) || shortenings === shorteningsMax) throw error;
      budget = Math.floor(Math.min(budget, conversationTokens(told)) / 2);
    }
  }
}

function isEmpty({ finish, calls }: Answer, { text }: StepStream): boolean {
  return calls.length === 0 && text.trim() === '' && (finish === 'stop' || finish === 'other');
}

function resultOf({ finish, usage, toolCalls }: MessageAgent, summaries: readonly TokenUsage[]): ModelStepResult {
  return {
    finish: finish as Finish,
    usage: addUsage(readUsage(usage), ...summaries),
    tools: toolCalls.map(useOf),
  };
}

function useOf({ toolCallId: id, tool: name, inputJson }: Answer['calls'][number]): ToolUse {
  return toolUse({ id, tool: name, inputJson });
}
