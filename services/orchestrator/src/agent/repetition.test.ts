// When an agent goes round in circles.

import { create } from '@bufbuild/protobuf';
import { EventSchema } from '@worktrail/proto/event';
import { expect, it } from 'vitest';
import { addEvent, newConversation } from './conversation.ts';
import { repetitions } from './repetition.ts';

function stepsOf(steps: readonly [input: string, output: string][], turnId = 't1') {
  const conversation = newConversation();
  steps.forEach(([inputJson, outputJson], step) => {
    const producer = `${turnId}-${step}`;
    const toolCalls = [{ toolCallId: `${producer}-0`, tool: 'run_command', inputJson }];
    addEvent(
      conversation,
      create(EventSchema, { turnId, producer, payload: { case: 'messageAgent', value: { toolCalls } } }),
    );
    const value = { toolCallId: `${producer}-0`, outputJson };
    addEvent(
      conversation,
      create(EventSchema, { turnId, producer: `${producer}-0`, payload: { case: 'toolEnded', value } }),
    );
  });
  return conversation;
}

it('only what is asked and what it comes to, both the same, in a row, in this turn, is a repetition', () => {
  expect(repetitions(stepsOf([]), 't1')).toBe(0);
  expect(
    repetitions(
      stepsOf([
        ['a', '1'],
        ['a', '1'],
        ['a', '1'],
      ]),
      't1',
    ),
  ).toBe(3);
  expect(
    repetitions(
      stepsOf([
        ['a', '1'],
        ['a', '2'],
        ['a', '2'],
      ]),
      't1',
    ),
  ).toBe(2);
  expect(
    repetitions(
      stepsOf([
        ['a', '1'],
        ['b', '1'],
        ['a', '1'],
      ]),
      't1',
    ),
  ).toBe(1);
  expect(
    repetitions(
      stepsOf(
        [
          ['a', '1'],
          ['a', '1'],
        ],
        't0',
      ),
      't1',
    ),
  ).toBe(0);
});
