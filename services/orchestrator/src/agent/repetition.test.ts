// When an agent goes round in circles, and when it only waits.

import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { EventSchema } from '@worktrail/proto/event';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addEvent, newConversation } from './conversation.ts';
import { judgeRepetition, repetitions, repetitionsMax, repetitionsToldAt, waitedMsMin } from './repetition.ts';

type Step = readonly [input: string, output: string, tookMs?: number];

function stepsOf(steps: readonly Step[], turnId = 't1') {
  const conversation = newConversation();
  let nowMs = 0;
  steps.forEach(([inputJson, outputJson, tookMs = 0], step) => {
    const producer = `${turnId}-${step}`;
    const toolCallId = `${producer}-0`;
    const toolCalls = [{ toolCallId, tool: 'run_command', inputJson }];
    const add = (of: string, payload: Parameters<typeof create<typeof EventSchema>>[1] & object) => {
      addEvent(conversation, create(EventSchema, { turnId, producer: of, time: timestampFromMs(nowMs), ...payload }));
    };
    add(producer, { payload: { case: 'messageAgent', value: { toolCalls } } });
    nowMs += tookMs;
    add(toolCallId, { payload: { case: 'toolEnded', value: { toolCallId, outputJson } } });
  });
  return conversation;
}

const times = (count: number, step: Step): Step[] => Array.from({ length: count }, () => step);

describe('a repetition', () => {
  it.each<[string, Step[], number]>([
    ['nothing', [], 0],
    ['the same, told the same', times(3, ['a', '1']), 3],
    ['another result', [['a', '1'], ...times(2, ['a', '2'])], 2],
    [
      'another question between',
      [
        ['a', '1'],
        ['b', '1'],
        ['a', '1'],
      ],
      1,
    ],
    ['who waits for it', times(30, ['a', '1', waitedMsMin]), 0],
    ['who waits too little', times(3, ['a', '1', waitedMsMin - 1]), 3],
    [
      'who waits now and then',
      [
        ['a', '1'],
        ['a', '1', waitedMsMin],
        ['a', '1'],
      ],
      2,
    ],
  ])('%s', (_, steps, count) => {
    expect(repetitions(stepsOf(steps), 't1')).toBe(count);
  });

  it('is one of its turn alone', () => {
    expect(repetitions(stepsOf(times(5, ['a', '1']), 't0'), 't1')).toBe(0);
  });

  it('is told to the model before it ends the turn, whatever came before', () => {
    const other = fc.array(fc.record({ input: fc.constantFrom('a', 'b'), output: fc.constantFrom('1', '2') }));
    fc.assert(
      fc.property(other, fc.integer({ min: 1, max: 30 }), (before, count) => {
        const steps = before.map(({ input, output }): Step => [input, output]);
        const judged = judgeRepetition(stepsOf([...steps, ...times(count, ['c', '1'])]), 't1');
        const expected = count >= repetitionsMax ? 'end' : count >= repetitionsToldAt ? 'tell' : 'go_on';
        expect(judged.verdict).toBe(expected);
        expect(judged.count).toBe(count);
      }),
    );
  });
});
