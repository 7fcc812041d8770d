// What follows from the lines of an agent that speaks the Agent Client Protocol.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createAcpProtocol, toolKindOf } from './acp-protocol.ts';
import { type AgentEffect, AgentMisbehaved } from './agent-effects.ts';

const turnId = 'trn_1';

function protocol(conversationId: string | null = null, files = true, terminals = true) {
  const prompt = (knows: boolean) => (knows ? 'the message' : 'before, and the message');
  return createAcpProtocol({ turnId, workTree: '/workspace', conversationId, prompt, files, terminals });
}

const answer = (id: string, result: object) => JSON.stringify({ jsonrpc: '2.0', id, result });
const update = (what: object) => JSON.stringify({ method: 'session/update', params: { sessionId: 's', update: what } });
const chunk = (text: string) => update({ sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } });
const begun = [answer('worktrail-1', { protocolVersion: 1 }), answer('worktrail-3', { sessionId: 's' })];

function run(lines: readonly string[], made = protocol()): AgentEffect[] {
  return [...made.begin(), ...lines.flatMap((line) => made.accept(line))];
}

const sent = (effects: AgentEffect[]) => effects.flatMap((one) => (one.do === 'send' ? [JSON.parse(one.bytes)] : []));
const told = (effects: AgentEffect[]) => effects.flatMap((one) => (one.do === 'tell' ? [one.payload] : []));

describe('an agent that speaks the protocol', () => {
  it('is begun, given a conversation, then the message', () => {
    const methods = sent(run(begun)).map(({ method }) => method);
    expect(methods).toEqual(['initialize', 'session/new', 'session/prompt']);
  });

  it('loads its conversation, and what it repeats of it is not told', () => {
    const lines = [
      answer('worktrail-1', { protocolVersion: 1, agentCapabilities: { loadSession: true } }),
      chunk('again'),
      answer('worktrail-2', {}),
      chunk('new'),
    ];
    const effects = run(lines, protocol('mine'));
    expect(sent(effects).at(-1)).toMatchObject({ params: { sessionId: 'mine', prompt: [{ text: 'the message' }] } });
    expect(told(effects)).toMatchObject([{ case: 'messageAgentDelta', value: { text: 'new' } }]);
  });

  it('is given another conversation where it cannot load', () => {
    const refused = JSON.stringify({ id: 'worktrail-2', error: { code: -1, message: 'no' } });
    const lines = [answer('worktrail-1', { protocolVersion: 1, agentCapabilities: { loadSession: true } }), refused];
    const effects = run([...lines, answer('worktrail-3', { sessionId: 'other' })], protocol('mine'));
    expect(sent(effects).at(-1)).toMatchObject({
      params: { sessionId: 'other', prompt: [{ text: 'before, and the message' }] },
    });
  });

  describe('tells what its whole conversation has cost', () => {
    const costs = (amount: number) =>
      update({ sessionUpdate: 'usage_update', cost: { amount, currency: 'USD' }, used: 1, size: 2 });
    const canLoad = answer('worktrail-1', { protocolVersion: 1, agentCapabilities: { loadSession: true } });
    const refused = JSON.stringify({ id: 'worktrail-2', error: { code: -1, message: 'no' } });
    it.each([
      ['of a new one all of it is this turn', null, [...begun, costs(0.5)], 0.5],
      [
        'loaded, what it had cost before is not',
        'mine',
        [canLoad, costs(2), answer('worktrail-2', {}), costs(2.5)],
        0.5,
      ],
      [
        'loaded without a word of it, the first that is told is not',
        'mine',
        [canLoad, answer('worktrail-2', {}), costs(2)],
        0,
      ],
      [
        'begun anew, because it could not load, all of it is',
        'mine',
        [canLoad, costs(2), refused, begun[1]!, costs(0.5)],
        0.5,
      ],
    ])('%s', (_, conversation, lines, usd) => {
      const made = protocol(conversation);
      run(lines, made);
      expect(made.usage().costUsd).toBe(usd);
    });
  });

  it('has used at least what it says is in its context, while it has not said what it has used', () => {
    const made = protocol();
    const used = (tokens: number) => update({ sessionUpdate: 'usage_update', used: tokens, size: 200_000 });
    run([used(7), ...begun], made);
    expect(made.usage().inputTokens).toBe(0);
    for (const line of [used(900), used(300), used(-1), used(1e15)]) made.accept(line);
    expect(made.usage()).toMatchObject({ inputTokens: 900, outputTokens: 0 });
    made.accept(answer('worktrail-4', { stopReason: 'end_turn', usage: { inputTokens: 40, outputTokens: 3 } }));
    expect(made.usage()).toMatchObject({ inputTokens: 40, outputTokens: 3 });
  });

  it.each([
    ['terminal/create', { command: 'a', env: [{ name: 'A', value: 'x'.repeat(10_000_000) }] }, 'env.0.value'],
    ['terminal/create', { command: '' }, 'command'],
    ['terminal/output', {}, 'terminalId'],
    ['fs/read_text_file', { path: 'a', line: 0 }, 'line'],
    ['fs/write_text_file', { path: 'a' }, 'content'],
    ['session/request_permission', { options: [] }, 'toolCall'],
  ])('is told what does not fit in what it asks of %s', (method, params, where) => {
    const asked = JSON.stringify({ id: 1, method, params });
    expect(sent(run([...begun, asked])).at(-1)).toMatchObject({
      error: { code: -32602, message: expect.stringMatching(`^its parameters do not fit: ${where}: .{1,200}$`) },
    });
  });

  describe('that ends in whatever way', () => {
    const tool = (id: number, status: string) =>
      update({ sessionUpdate: 'tool_call_update', toolCallId: `${id}`, title: 'run', status });
    const asks = (id: number, method: string, params: object) => JSON.stringify({ id, method, params });
    const line = fc.oneof(
      fc.record({ id: fc.nat(4), status: fc.constantFrom('pending', 'in_progress', 'completed', 'failed') }),
      fc.constantFrom<'say' | 'think' | 'ask' | 'terminal' | 'release' | 'garbage' | 'flood' | 'answer'>(
        ...(['say', 'think', 'ask', 'terminal', 'release', 'garbage', 'flood', 'answer'] as const),
      ),
    );
    type Line = string | { id: number; status: string };
    const long = 'x'.repeat(200_000);
    const others: Record<string, (index: number) => string> = {
      say: () => chunk('so'),
      think: () => update({ sessionUpdate: 'agent_thought_chunk', content: { type: 'text', text: 'hm' } }),
      ask: (index) => asks(index, 'session/request_permission', { toolCall: { toolCallId: '1' }, options: [] }),
      terminal: (index) => asks(index, 'terminal/create', { command: 'true' }),
      release: (index) => asks(index, 'terminal/release', { terminalId: 'terminal-1' }),
      garbage: () => 'no message',
      flood: () => chunk(long),
      answer: () => answer('worktrail-4', { stopReason: 'end_turn' }),
    };

    function toolsOf(lines: readonly string[]): { started: string[]; ended: string[] } {
      const made = protocol();
      const effects = run(begun, made);
      try {
        for (const one of lines) effects.push(...made.accept(one));
      } catch (error) {
        if (!(error instanceof AgentMisbehaved)) throw error;
      }
      effects.push(...made.close());
      const ids = (kind: string) =>
        told(effects).flatMap(({ case: is, value }) =>
          is === kind ? [(value as { toolCallId: string }).toolCallId] : [],
        );
      return { started: ids('toolStarted'), ended: ids('toolEnded') };
    }

    it('has each tool begun once and ended once', () => {
      fc.assert(
        fc.property(fc.array<Line>(line, { maxLength: 60 }), (lines) => {
          const { started, ended } = toolsOf(
            lines.map((one, index) => (typeof one === 'string' ? others[one]!(index) : tool(one.id, one.status))),
          );
          expect(new Set(started).size).toBe(started.length);
          expect(ended.toSorted()).toEqual(started.toSorted());
        }),
      );
    });

    it.each([0, 1, 2, 3])('also where it has told too much, %i things sooner', (sooner) => {
      const many = Array.from({ length: 50_001 }, (_, index) => (index % 2 ? chunk('a') : others['think']!(index)));
      const { started, ended } = toolsOf([
        ...[tool(1, 'in_progress'), ...many.slice(0, 25_000 - sooner)],
        ...[tool(2, 'in_progress'), tool(3, 'completed'), ...many],
      ]);
      expect(started.length).toBeGreaterThanOrEqual(1);
      expect(ended.toSorted()).toEqual(started.toSorted());
    });
  });

  it('has its permission asked for with what it would do, and hears the option that says so once', () => {
    const options = [
      { optionId: 'always', name: 'a', kind: 'allow_always' },
      { optionId: 'once', name: 'o', kind: 'allow_once' },
      { optionId: 'no', name: 'n', kind: 'reject_once' },
    ];
    const toolCall = { toolCallId: 'x', title: 'rm -rf /', kind: 'execute', rawInput: { command: 'rm -rf /' } };
    const params = { sessionId: 's', toolCall, options };
    const effects = run([...begun, JSON.stringify({ id: 0, method: 'session/request_permission', params })]);
    const ask = effects.find((one) => one.do === 'ask')!;
    expect(ask.asked).toEqual({
      toolCallId: 'trn_1-1-0',
      toolKind: 'execute',
      detail: 'rm -rf / {"command":"rm -rf /"}',
    });
    const outcomes = (['allow', 'deny', 'canceled'] as const).map((one) => JSON.parse(ask.answer(one)).result.outcome);
    expect(outcomes).toEqual([
      { outcome: 'selected', optionId: 'once' },
      { outcome: 'selected', optionId: 'no' },
      { outcome: 'cancelled' },
    ]);
  });

  it('that was offered no files is not written for', () => {
    const params = { sessionId: 's', path: '/workspace/a', content: 'x' };
    const effects = run(
      [...begun, JSON.stringify({ id: 7, method: 'fs/write_text_file', params })],
      protocol(null, false),
    );
    expect(sent(effects).at(-1)).toEqual({ jsonrpc: '2.0', id: 7, result: {} });
    expect(effects.some((one) => one.do === 'serve')).toBe(false);
  });

  const create = (id: number, params: object) =>
    JSON.stringify({ id, method: 'terminal/create', params: { sessionId: 's', ...params } });
  const inTerminal = (id: number, what: string, terminalId: string) =>
    JSON.stringify({ id, method: `terminal/${what}`, params: { sessionId: 's', terminalId } });

  it('has commands run for it, which are told of as uses of a tool, and may be asked for', () => {
    const made = protocol();
    const effects = run([...begun, create(5, { command: 'ls', args: ['-l'], env: [{ name: 'A', value: 'b' }] })], made);
    const { request, answer: say } = effects.find((one) => one.do === 'terminal')!;
    expect(request).toEqual({
      ...{ what: 'open', terminal: 1 },
      command: { command: 'ls', args: ['-l'], env: { A: 'b' }, cwd: null, outputBytes: null },
      asked: { toolCallId: 'trn_1-1-0', toolKind: 'execute', detail: expect.stringContaining('"command":"ls"') },
    });
    expect(JSON.parse(say({}))).toEqual({ jsonrpc: '2.0', id: 5, result: { terminalId: 'terminal-1' } });
    const end = { failed: false, output: 'x', cut: false, exitCode: 0 };
    const ends = [0, 1].flatMap(() => told(made.terminalEnded(1, end)));
    expect(ends).toMatchObject([
      { case: 'toolEnded', value: { toolCallId: 'trn_1-1-0', outputJson: '{"exitCode":0,"output":"x"}' } },
    ]);
    expect(made.close()).toEqual([]);
  });

  it('names its terminals until it releases them', () => {
    const uses = ['output', 'wait_for_exit', 'kill', 'release', 'output'].map((what, index) =>
      inTerminal(10 + index, what, 'terminal-1'),
    );
    const effects = run([...begun, create(1, { command: 'ls' }), ...uses, inTerminal(20, 'output', 'terminal-2')]);
    expect(effects.flatMap((one) => (one.do === 'terminal' ? [one.request.what] : []))).toEqual([
      ...['open', 'read', 'wait', 'kill', 'release'],
    ]);
    expect(sent(effects).slice(-2)).toMatchObject([{ error: { code: -32000 } }, { error: { code: -32000 } }]);
  });

  it('that was offered no terminals gets none, and nobody gets them without end', () => {
    expect(sent(run([...begun, create(1, { command: 'ls' })], protocol(null, true, false))).at(-1)).toMatchObject({
      error: { code: -32601 },
    });
    const many = Array.from({ length: 300 }, (_, id) => create(id, { command: 'ls' }));
    const effects = run([...begun, ...many]);
    expect(effects.filter((one) => one.do === 'terminal')).toHaveLength(256);
  });

  it('a terminal that is open when the turn ends has its end told by the turn', () => {
    const made = protocol();
    const effects = run(
      [...begun, create(1, { command: 'ls' }), answer('worktrail-4', { stopReason: 'end_turn' })],
      made,
    );
    expect(told(effects).map((one) => one.case)).toEqual(['toolStarted']);
    expect(told(made.close())).toMatchObject([{ case: 'toolEnded', value: { failed: true } }]);
  });

  it('whatever it prints, the same lines come to the same, and nothing else is thrown than that it misbehaves', () => {
    const known = fc.constantFrom(
      ...begun,
      chunk('a'),
      chunk(''),
      '{}',
      'null',
      '[1]',
      '{"id":1}',
      '{"id":1,"method":"x"}',
    );
    const ids = fc.constantFrom('t1', 't2');
    const status = fc.constantFrom('pending', 'in_progress', 'completed', 'failed', 'nonsense');
    const tools = fc
      .tuple(ids, status)
      .map(([toolCallId, is]) => update({ sessionUpdate: 'tool_call', toolCallId, title: 'x', status: is }));
    const odd = fc.json().map((params) => `{"id":3,"method":"session/request_permission","params":${params}}`);
    fc.assert(
      fc.property(fc.array(fc.oneof(known, tools, odd, fc.json(), fc.string())), (lines) => {
        const both = [0, 1].map(() => {
          try {
            return JSON.stringify(run([...begun, ...lines]));
          } catch (error) {
            expect(error).toBeInstanceOf(AgentMisbehaved);
            return 'misbehaved';
          }
        });
        expect(both[0]).toBe(both[1]);
      }),
    );
  });

  it('each tool that is told of begins once, and ends once when the turn does', () => {
    const ids = fc.constantFrom('t1', 't2', 't3');
    const status = fc.constantFrom('pending', 'in_progress', 'completed', 'failed');
    const use = fc
      .tuple(ids, status)
      .map(([toolCallId, is]) => update({ sessionUpdate: 'tool_call_update', toolCallId, status: is }));
    fc.assert(
      fc.property(fc.array(use), (lines) => {
        const made = protocol();
        const payloads = told([...run([...begun, ...lines], made), ...made.close()]);
        const of = (kind: string) =>
          payloads.flatMap((one) => (one.case === kind ? [(one.value as any).toolCallId] : []));
        expect(new Set(of('toolStarted')).size).toBe(of('toolStarted').length);
        expect(of('toolEnded').toSorted()).toEqual(of('toolStarted').toSorted());
        expect(made.steps()).toBe(of('toolStarted').length);
      }),
    );
  });

  it('its input says what was sent', () => {
    const effects = run([...begun, JSON.stringify({ id: 'q', method: 'fs/none' })]);
    const sends = effects.flatMap((one) => (one.do === 'send' ? [one] : []));
    expect(protocol().sentKeys(sends.map(({ bytes }) => bytes).join(''))).toEqual(sends.map(({ key }) => key));
  });

  it.each([
    [{ stopReason: 'end_turn' }, 'completed'],
    [{ stopReason: 'max_tokens' }, 'limit_reached'],
    [{ stopReason: 'refusal' }, 'failed'],
    [{ stopReason: 'something' }, 'failed'],
    [{}, 'failed'],
  ])('%j ends its turn as %s', (result, outcome) => {
    expect(run([...begun, answer('worktrail-4', result)]).at(-1)).toMatchObject({ do: 'end', outcome });
  });
});

describe('a kind of tool', () => {
  it.each([
    ['read', 'read'],
    ['search', 'read'],
    ['delete', 'edit'],
    ['execute', 'execute'],
    ['switch_mode', 'other'],
    [undefined, 'other'],
  ])('%s is %s for a policy', (kind, known) => expect(toolKindOf(kind)).toBe(known));
});
