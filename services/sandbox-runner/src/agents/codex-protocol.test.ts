// What follows from the events of Codex in its JSON mode.

import { expect, test } from 'vitest';
import { conversationBegun, conversationResumed, createCodexProtocol } from './codex-protocol.ts';

const protocol = (conversationId: string | null = null) =>
  createCodexProtocol({ turnId: 'trn_1', conversationId, prompt: (knows) => (knows ? 'do it' : 'before, and do it') });

test('its events are told, and it ends with what it has used', () => {
  const made = protocol();
  const command = {
    id: 'item_1',
    type: 'command_execution',
    command: 'ls',
    aggregated_output: '',
    status: 'in_progress',
  };
  const lines = [
    { type: 'thread.started', thread_id: 'thread-1' },
    { type: 'turn.started' },
    { type: 'item.completed', item: { id: 'item_0', type: 'reasoning', text: 'I look.' } },
    { type: 'item.started', item: command },
    { type: 'item.completed', item: { ...command, aggregated_output: 'a\n', exit_code: 0, status: 'completed' } },
    { type: 'item.completed', item: { id: 'item_2', type: 'todo_list', items: [{ text: 'mend', completed: true }] } },
    { type: 'item.completed', item: { id: 'item_3', type: 'agent_message', text: 'There is a.' } },
    { type: 'turn.completed', usage: { input_tokens: 5, cached_input_tokens: 1, output_tokens: 2 } },
  ];
  const effects = lines.flatMap((line) => made.accept(JSON.stringify(line)));
  const told = effects.flatMap((one) => (one.do === 'tell' ? [one.payload.case] : []));
  expect(told.filter((one) => !one?.endsWith('Delta'))).toEqual([
    ...['reasoning', 'toolStarted', 'toolEnded', 'planUpdated', 'messageAgent'],
  ]);
  expect(effects.at(-1)).toEqual({ do: 'end', outcome: 'completed', reason: '' });
  expect(made.usage()).toMatchObject({ inputTokens: 5, outputTokens: 2, cachedInputTokens: 1 });
  expect([made.conversationId(), made.steps()]).toEqual(['thread-1', 1]);
});

test('a turn that fails says why', () => {
  const failed = JSON.stringify({ type: 'turn.failed', error: { message: 'no such model' } });
  expect(protocol().accept(failed).at(-1)).toEqual({
    do: 'end',
    outcome: 'failed',
    reason: 'the agent has failed: no such model',
  });
});

test('it is given the message as a whole', () => {
  expect(protocol().begin()).toEqual([{ do: 'send', key: 'message', bytes: 'before, and do it\n', whole: true }]);
});

test.each([
  [conversationResumed, 'do it\n'],
  [conversationBegun, 'before, and do it\n'],
])('that has an earlier conversation: once %s says whether it knows it', (line, bytes) => {
  const made = protocol('thread-1');
  expect(made.begin()).toEqual([]);
  expect(made.accept(line)).toEqual([{ do: 'send', key: 'message', bytes, whole: true }]);
  expect([...made.accept(conversationResumed), ...made.accept(conversationBegun)]).toEqual([]);
});
