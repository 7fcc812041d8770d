// An answer on its way into the history.

import type { EventPayloadInit } from '@worktrail/runtime/event-producer';
import { expect, it } from 'vitest';
import { AnswerTooLarge, answerBytesMax, createStepStream } from './step-stream.ts';

function startStream() {
  const stored: EventPayloadInit[] = [];
  const waiting: (() => void)[] = [];
  const append = async (payload: EventPayloadInit) => {
    await new Promise<void>((resolve) => waiting.push(resolve));
    stored.push(payload);
    return { number: stored.length, sequence: stored.length };
  };
  const stream = createStepStream({ append, messageId: 'm', attempt: 2 });
  const release = async () => {
    waiting.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  const texts = () => stored.map(({ case: kind, value }) => [kind, (value as { text: string }).text]);
  return { stream, release, texts, waiting };
}

it('sends the first at once, and what came meanwhile together', async () => {
  const { stream, release, texts, waiting } = startStream();
  stream.push('text', 'a');
  expect(waiting).toHaveLength(1);
  for (const letter of 'bcd') stream.push('text', letter);
  await release();
  await release();
  expect(texts()).toEqual([
    ['messageAgentDelta', 'a'],
    ['messageAgentDelta', 'bcd'],
  ]);
  await stream.finish();
  expect(stream.text).toBe('abcd');
});

it('is finished once all of it is stored', async () => {
  const { stream, release, texts } = startStream();
  stream.push('reasoning', 'hm');
  stream.push('text', 'yes');
  let isDone = false;
  const done = stream.finish().then(() => {
    isDone = true;
  });
  await release();
  expect(isDone).toBe(false);
  await release();
  await done;
  expect(texts()).toEqual([
    ['reasoningDelta', 'hm'],
    ['messageAgentDelta', 'yes'],
  ]);
});

it('ends an answer without end', () => {
  const { stream } = startStream();
  const piece = 'x'.repeat(64 * 1024);
  for (let bytes = 0; bytes < answerBytesMax; bytes += piece.length) stream.push('text', piece);
  expect(() => stream.push('text', 'x')).toThrow(AnswerTooLarge);
});

it('says when it could not be stored', async () => {
  const stream = createStepStream({ append: () => Promise.reject(new Error('stale')), messageId: 'm', attempt: 1 });
  stream.push('text', 'a');
  await expect(stream.finish()).rejects.toThrow('stale');
});
