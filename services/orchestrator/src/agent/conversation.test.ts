// What a model is told, from the events of a session.

import { create } from '@bufbuild/protobuf';
import { type Event, EventSchema } from '@worktrail/proto/event';
import type { EventPayloadInit } from '@worktrail/runtime/event-producer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addEvent, findStep, modelMessages, newConversation, openCalls } from './conversation.ts';

function event(turnId: string, payload: EventPayloadInit, producer = 'session'): Event {
  return create(EventSchema, { turnId, producer, payload });
}

const said = (turnId: string, text: string) =>
  event(turnId, { case: 'messageUser', value: { messageId: turnId, text } });
const begun = (turnId: string) => event(turnId, { case: 'turnStarted', value: { agent: 'x/y' } });
const ended = (turnId: string) => event(turnId, { case: 'turnEnded', value: { outcome: 'completed' } });
const answered = (turnId: string, step: number, text: string, calls: string[] = [], attempt = 1) =>
  event(
    turnId,
    {
      case: 'messageAgent',
      value: {
        ...{ messageId: `${turnId}-${step}`, text, attempt, finish: calls.length > 0 ? 'tool_calls' : 'stop' },
        toolCalls: calls.map((toolCallId) => ({ toolCallId, tool: 'run_command', inputJson: '{"command":"ls"}' })),
      },
    },
    `${turnId}-${step}`,
  );
const told = (turnId: string, toolCallId: string, outputJson: string) =>
  event(turnId, { case: 'toolEnded', value: { toolCallId, outputJson } }, toolCallId);

function conversationOf(events: Event[]) {
  const conversation = newConversation();
  for (const one of events) addEvent(conversation, one);
  return conversation;
}

describe('a conversation', () => {
  it('has all that an agent in the sandbox has said', () => {
    const message = (id: string, text: string) =>
      event('t1', { case: 'messageAgent', value: { messageId: `t1-1-${id}`, text } }, 't1-1');
    const events = [said('t1', 'look'), begun('t1'), message('m1', 'I look.'), message('m2', 'Done.'), ended('t1')];
    expect(modelMessages(conversationOf(events)).map(({ content }) => JSON.stringify(content))).toEqual([
      '"look"',
      '[{"type":"text","text":"I look."}]',
      '[{"type":"text","text":"Done."}]',
    ]);
  });

  it('knows which uses of tools have no end yet, of turns before too', () => {
    const events = [
      ...[said('t1', 'look'), begun('t1'), answered('t1', 1, '', ['c1', 'c2']), told('t1', 'c2', '{}'), ended('t1')],
      ...[said('t2', 'again'), begun('t2'), answered('t2', 1, '', ['c3'])],
    ];
    expect(openCalls(conversationOf(events))).toEqual(['c1', 'c3']);
    expect(openCalls(conversationOf([...events, told('t1', 'c1', '{}')]))).toEqual(['c3']);
  });

  it('has message, answer, tools with what they came to, and the answer after them', () => {
    const events = [
      said('t1', 'look'),
      begun('t1'),
      answered('t1', 1, 'I look.', ['c1']),
      told('t1', 'c1', '{"output":"a"}'),
      answered('t1', 2, 'There is a.'),
      ended('t1'),
    ];
    expect(modelMessages(conversationOf(events))).toEqual([
      { role: 'user', content: 'look' },
      {
        role: 'assistant',
        content: [
          { type: 'text', text: 'I look.' },
          { type: 'tool-call', toolCallId: 'c1', toolName: 'run_command', input: { command: 'ls' } },
        ],
      },
      {
        role: 'tool',
        content: [
          {
            ...{ type: 'tool-result', toolCallId: 'c1', toolName: 'run_command' },
            output: { type: 'text', value: '{"output":"a"}' },
          },
        ],
      },
      { role: 'assistant', content: [{ type: 'text', text: 'There is a.' }] },
    ]);
  });

  it('has turns in the order in which they began, and none of a message that waits', () => {
    const events = [said('t1', 'one'), begun('t1'), said('t2', 'two'), said('t3', 'three'), ended('t1'), begun('t2')];
    expect(modelMessages(conversationOf(events)).map(({ content }) => content)).toEqual(['one', 'two']);
  });

  it('has an end for each call of a tool, also where the turn was cut off', () => {
    const events = [said('t1', 'one'), begun('t1'), answered('t1', 1, '', ['c1', 'c2']), told('t1', 'c1', '{}')];
    const [, , results] = modelMessages(conversationOf(events));
    expect(JSON.stringify(results)).toContain('it was cut off');
  });

  it('has a step once, by its first whole answer', () => {
    const conversation = conversationOf([
      begun('t1'),
      answered('t1', 1, 'first', [], 1),
      answered('t1', 1, 'second', [], 2),
    ]);
    expect(findStep(conversation, 't1-1')?.text).toBe('first');
    expect(modelMessages(conversation)).toHaveLength(2);
  });

  it('says what befell the files where it happened, and how a turn was ended', () => {
    const reverted = event('', { case: 'sessionReverted', value: { checkpointNumber: 3 } });
    const moved = event('', { case: 'sessionRestored', value: { notKept: ['ignored files'] } });
    const asLeft = event('', { case: 'sessionRestored', value: { notKept: [] } });
    const stopped = event('t1', { case: 'turnEnded', value: { outcome: 'canceled', reason: 'requested' } });
    const events = [
      ...[said('t1', 'one'), begun('t1'), answered('t1', 1, 'half', ['c1']), moved, told('t1', 'c1', '{}'), asLeft],
      ...[stopped, reverted, said('t2', 'two'), begun('t2')],
    ];
    expect(
      modelMessages(conversationOf(events)).map(({ role, content }) => [role, role === 'user' && content]),
    ).toEqual([
      ['user', 'one'],
      ['assistant', false],
      ['tool', false],
      ['user', expect.stringContaining('Not kept: ignored files')],
      ['user', expect.stringContaining('ended: canceled, requested')],
      ['user', expect.stringContaining('checkpoint 3')],
      ['user', 'two'],
    ]);
  });

  it('has a step that came late with its turn', () => {
    const events = [
      said('t1', 'one'),
      begun('t1'),
      ended('t1'),
      said('t2', 'two'),
      begun('t2'),
      answered('t1', 1, 'late'),
    ];
    const texts = modelMessages(conversationOf(events)).map(({ content }) => content);
    expect(texts).toEqual(['one', [{ type: 'text', text: 'late' }], 'two']);
  });

  it('has a summary instead of all up to the message that it names, and the message that is worked on', () => {
    const summary = event('t2', { case: 'messageSummary', value: { throughMessageId: 't2-1', text: 'short' } }, 't2-3');
    const events = [
      ...[said('t1', 'one'), begun('t1'), answered('t1', 1, 'a', ['c1']), told('t1', 'c1', '{}'), ended('t1')],
      ...[said('t2', 'two'), begun('t2'), answered('t2', 1, 'b', ['c2']), told('t2', 'c2', '{}')],
      ...[answered('t2', 2, 'c'), summary],
    ];
    const conversation = conversationOf(events);
    expect(modelMessages(conversation).map(({ content }) => content)).toEqual([
      expect.stringContaining('short'),
      'two',
      [{ type: 'text', text: 'c' }],
    ]);
    expect([...conversation.outputs.keys()]).toEqual([]);
  });

  it('has no text of nothing but white space: providers refuse it, and with it all that is said later', () => {
    const events = [said('t1', 'look'), begun('t1'), answered('t1', 1, '\n\n', ['c1']), answered('t1', 2, ' ')];
    const messages = modelMessages(conversationOf(events));
    expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool']);
    expect(messages[1]!.content).toEqual([expect.objectContaining({ type: 'tool-call' })]);
  });

  it('tells a provider nothing that it would refuse, whatever the model has said', () => {
    const value = { toolCalls: [{ toolCallId: 'c1', tool: 'rm -rf /'.repeat(20), inputJson: '[1]' }] };
    const [, assistant] = modelMessages(
      conversationOf([begun('t1'), event('t1', { case: 'messageAgent', value }, 't1-1')]),
    );
    const [call] = assistant!.content as { toolName: string; input: object }[];
    expect(call!.toolName).toMatch(/^[\w-]{1,64}$/);
    expect(call!.input).toEqual({ unreadable: '[1]' });
  });

  it('is the same however it is cut into pages', () => {
    const turns = fc.array(fc.array(fc.nat(3), { maxLength: 5 }), { maxLength: 6 });
    fc.assert(
      fc.property(turns, fc.nat(50), (shape, cut) => {
        const events = shape.flatMap((steps, turn) => {
          const id = `t${turn}`;
          const all = steps.flatMap((calls, step) => {
            const ids = Array.from({ length: calls }, (_, index) => `${id}-${step}-${index}`);
            return [answered(id, step, `${step}`, ids), ...ids.map((call) => told(id, call, '{}'))];
          });
          return [said(id, id), begun(id), ...all, ended(id)];
        });
        const whole = modelMessages(conversationOf(events));
        const inParts = conversationOf(events.slice(0, cut));
        modelMessages(inParts);
        for (const one of events.slice(cut)) addEvent(inParts, one);
        expect(modelMessages(inParts)).toEqual(whole);
        const calls = whole.flatMap(({ role, content }) => (role === 'tool' ? content : []));
        expect(new Set(calls.map((call) => (call as { toolCallId: string }).toolCallId)).size).toBe(calls.length);
      }),
    );
  });
});
