// What is summarized of a conversation, and when.

import { create } from '@bufbuild/protobuf';
import { EventSchema } from '@worktrail/proto/event';
import type { EventPayloadInit } from '@worktrail/runtime/event-producer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  clip,
  type CompactionDeps,
  compact,
  conversationTokens,
  DoesNotFit,
  estimateTokens,
  planCompaction,
  tokenBudget,
} from './compaction.ts';
import { addEvent, type Conversation, modelMessages, newConversation } from './conversation.ts';

const usage = { inputTokens: 5, outputTokens: 1, cachedInputTokens: 0, costUsd: 0 };

/** Turns of steps, each with one call whose output has so many characters; the last turn goes on. */
function conversationOf(turns: readonly (readonly number[])[]): Conversation {
  const conversation = newConversation();
  const add = (turnId: string, payload: EventPayloadInit, producer = 'session') =>
    addEvent(conversation, create(EventSchema, { turnId, producer, payload }));
  turns.forEach((steps, turn) => {
    const turnId = `t${turn}`;
    add(turnId, { case: 'messageUser', value: { messageId: turnId, text: `message ${turn}` } });
    add(turnId, { case: 'turnStarted', value: { agent: 'x' } });
    steps.forEach((length, step) => {
      const id = `${turnId}-${step}`;
      const toolCalls = [{ toolCallId: `${id}-0`, tool: 'run_command', inputJson: '{}' }];
      add(turnId, { case: 'messageAgent', value: { messageId: id, text: 'I look.', toolCalls } }, id);
      add(turnId, { case: 'toolEnded', value: { toolCallId: `${id}-0`, outputJson: 'x'.repeat(length) } }, `${id}-0`);
    });
  });
  return conversation;
}

function startCompaction(text = 'in short') {
  const asked: string[] = [];
  const stored: string[] = [];
  const deps: CompactionDeps = {
    summarize: async (transcript) => {
      asked.push(transcript);
      return { text, usage };
    },
    store: async (throughMessageId) => void stored.push(throughMessageId),
    isTooLong: (error) => error === 'too long',
  };
  return { deps, asked, stored };
}

describe('a conversation', () => {
  it('that fits is told as it is', async () => {
    const { deps, asked } = startCompaction();
    const conversation = conversationOf([[100], [100]]);
    const compacted = await compact(deps, conversation, 10_000);
    expect(compacted.conversation).toBe(conversation);
    expect(asked).toEqual([]);
  });

  it('that does not has what is oldest summarized, once, and stays itself what it was', async () => {
    const { deps, asked, stored } = startCompaction();
    const conversation = conversationOf([[1_500, 1_500], [1_500], [300]]);
    const before = modelMessages(conversation);
    const compacted = await compact(deps, conversation, 1_200);
    expect(stored).toHaveLength(1);
    expect(asked[0]).toContain('message 0');
    expect(compacted.usage).toEqual([usage]);
    const told = JSON.stringify(modelMessages(compacted.conversation));
    expect(told).toContain('in short');
    expect(told).toContain('message 2');
    expect(told).not.toContain('message 1');
    expect(modelMessages(conversation)).toEqual(before);
  });

  it('is summarized in parts where the model cannot be told all of it at once', async () => {
    const { deps, asked, stored } = startCompaction();
    const compacted = await compact(deps, conversationOf([[9_000, 9_000, 9_000, 9_000], [10]]), 4_000);
    expect(stored.length).toBeGreaterThan(1);
    for (const transcript of asked) expect(estimateTokens(transcript)).toBeLessThan(4_000);
    expect(asked.at(-1)).toContain('in short');
    expect(conversationTokens(compacted.conversation)).toBeLessThanOrEqual(4_000);
  });

  it('is told less where the model says that a transcript was too much', async () => {
    const { deps, asked } = startCompaction();
    const { summarize } = deps;
    deps.summarize = async (transcript, max) => {
      if (estimateTokens(transcript) > 1_500) throw 'too long';
      return await summarize(transcript, max);
    };
    await compact(deps, conversationOf([[4_000, 4_000, 4_000], [10]]), 2_500);
    expect(asked.length).toBeGreaterThan(0);
  });

  it('that cannot be made to fit is refused, in the end', async () => {
    const { deps } = startCompaction();
    await expect(compact(deps, conversationOf([[]]), 2)).rejects.toThrow(DoesNotFit);
    await expect(compact(deps, conversationOf([[100], [100]]), 20)).rejects.toThrow(DoesNotFit);
  });
});

it('each plan replaces something and keeps the newest; in the end all fits', async () => {
  const turns = fc.array(fc.array(fc.nat(6_000), { maxLength: 6 }), { minLength: 1, maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(turns, fc.integer({ min: 800, max: 5_000 }), async (shape, budget) => {
      const conversation = conversationOf(shape);
      const plan = planCompaction(conversation, { keepTokens: budget / 3, askTokensMax: budget });
      if (plan) expect(conversation.entries.some(({ id }) => id === plan.throughMessageId)).toBe(true);
      const { deps, stored } = startCompaction();
      const compacted = await compact(deps, conversation, budget);
      expect(conversationTokens(compacted.conversation)).toBeLessThanOrEqual(budget);
      expect(new Set(stored).size).toBe(stored.length);
      expect(JSON.stringify(modelMessages(compacted.conversation))).toContain(`message ${shape.length - 1}`);
    }),
    { numRuns: 200 },
  );
});

it('a context has room for the answer and for what is told always', () => {
  expect(tokenBudget({ contextTokens: 100_000, outputTokensMax: 8_000 }, 2_000)).toBe(90_000);
  expect(tokenBudget({ contextTokens: 100_000, outputTokensMax: null }, 2_000)).toBe(82_000);
  expect(tokenBudget({ contextTokens: 2_000, outputTokensMax: null }, 2_000)).toBe(250);
  expect(tokenBudget({ contextTokens: null, outputTokensMax: null }, 2_000)).toBe(1_000_000);
});

it('a text that is too long keeps its beginning and its end', () => {
  expect(clip('abc', 3)).toBe('abc');
  const clipped = clip(`begin${'x'.repeat(10_000)}end`, 1_000);
  expect(clipped).toMatch(/^begin.*\[\d+ bytes left out\].*end$/s);
  expect(Buffer.byteLength(clipped)).toBeLessThanOrEqual(1_000);
});
