import type { WorktrailEvent } from '@worktrail/client';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createStyle } from '../screen/style.ts';
import { createTurnView, outputLinesMax, turnEndLine } from './turn-view.ts';

function event(type: string, data: Record<string, unknown> = {}, commandId?: string): WorktrailEvent {
  const actor = { kind: 'agent' as const, id: 'custom/scripted' };
  const about = { cursor: 'c', id: 'evt_1', sessionId: 'ses_1', turnId: 'trn_1', time: '2026-01-01T10:11:12.345Z' };
  return { ...about, ...(commandId && { commandId }), type, actor, data } as WorktrailEvent;
}

const delta = (text: string, attempt = 1) => event('message.agent_delta', { messageId: 'm', text, attempt });
const message = (text: string, attempt = 1) => event('message.agent', { messageId: 'm', text, attempt, toolCalls: [] });
const output = (text: string, stream = 'stdout') =>
  event('command.output', { stream, offset: 0, bytes: Buffer.from(text).toString('base64') }, 'cmd_1');

function shown(events: readonly WorktrailEvent[], { live = true, reasoning = false } = {}) {
  const view = createTurnView({ style: createStyle(false), live, reasoning });
  const pieces = events.flatMap((one) => view.show(one));
  const textOf = (kind: string) =>
    pieces
      .filter((piece) => piece.kind === kind)
      .map(({ text }) => text)
      .join('');
  return { answer: textOf('answer'), beside: textOf('beside'), all: pieces.map(({ text }) => text).join('') };
}

test('on a terminal the answer is there as it comes, and not again when it is whole', () => {
  const events = [delta('It sub'), delta('tracted.\nNow'), message('It subtracted.\nNow it adds.')];
  expect(shown(events.slice(0, 2)).answer).toBe('It subtracted.\nNow');
  expect(shown(events).answer).toBe('It subtracted.\nNow it adds.\n');
});

test('elsewhere each message is there once, whole, whatever broke off before it', () => {
  const events = [delta('Ten'), delta('Tw', 2), message('Two files.', 2)];
  expect(shown(events, { live: false })).toMatchObject({ answer: 'Two files.\n', beside: '' });
});

test('on a terminal an attempt that broke off is told from the one that counts', () => {
  const { all } = shown([delta('Ten fi'), delta('Tw', 2), delta('late', 1), message('Two files.', 2)]);
  expect(all).toBe('Ten fi\nThe answer broke off, and begins again:\nTwo files.\n');
});

test('what was not seen as it came is shown from where it was left', () => {
  expect(shown([message('All of it.')]).answer).toBe('All of it.\n');
  expect(shown([delta('of it'), message('All of it.')]).all).toBe('of it\nThe answer as it is:\nAll of it.\n');
});

test('a message without text leaves nothing', () => {
  expect(shown([message('')]).all).toBe('');
});

test('tools are a line each, what their commands print is live and indented, and their end is told', () => {
  const started = event('tool.started', { tool: 'run_command', inputJson: '{"command":"npm test"}' });
  const ended = event('command.ended', { outcome: 'exited', exitCode: 1 }, 'cmd_1');
  const events = [started, output('one\ntw'), output('err\n', 'stderr'), output('o\nrest'), ended];
  expect(shown(events).beside).toBe('→ run_command  $ npm test\n    one\n    err\n    two\n    rest\n  exited 1\n');
  expect(shown(events).answer).toBe('');
});

test('a tool that could not do what it was asked says why', () => {
  const ended = (failed: boolean, told: object) =>
    event('tool.ended', { toolCallId: 't', failed, outputJson: JSON.stringify(told) });
  expect(shown([ended(true, { error: 'there is no a.ts' })]).beside).toBe('  ✗ there is no a.ts\n');
  expect(shown([ended(false, { lines: 3 }), ended(true, { exitCode: 1 })]).beside).toBe('');
});

test('of a command that prints much the first lines are shown, and how many more there are', () => {
  const lines = Array.from({ length: outputLinesMax + 7 }, (_, index) => `line ${index}\n`).join('');
  const { beside } = shown([output(lines), event('command.ended', { outcome: 'exited', exitCode: 0 }, 'cmd_1')]);
  expect(beside.split('\n')).toHaveLength(outputLinesMax + 3);
  expect(beside).toContain('    … 7 more lines: worktrail logs ses_1 --command cmd_1\n');
});

test('what the model thinks is one line, unless it is asked for', () => {
  const thinks = (text: string) => event('reasoning.delta', { messageId: 'm', text, attempt: 1 });
  const thought = event('reasoning', { messageId: 'm', text: 'First I look.\nThen I mend.', attempt: 1 });
  const events = [thinks('First I '), thinks('look.\nThen'), thought];
  expect(shown(events).beside).toBe('∴ First I look. …\n');
  expect(shown([thinks('First I look.\nThen'), thinks(' I mend.'), thought], { reasoning: true }).beside).toBe(
    '∴ First I look.\n∴ Then I mend.\n',
  );
  // What came first stands first, also where only that it thinks is shown.
  const answered = [thinks('\nFirst I'), thinks(' look.\nThen I mend.'), delta('Mended.'), thought, message('Mended.')];
  expect(shown(answered).all).toBe('∴ First I look. …\nMended.\n');
  expect(shown([thinks('First'), thought, message('')]).all).toBe('∴ First I look. …\n');
  expect(shown([thought], { live: false, reasoning: true }).beside).toBe('∴ First I look.\n∴ Then I mend.\n');
});

test('a line beside an answer that is not at its end begins on a line of its own', () => {
  expect(shown([delta('So'), event('egress.refused', { host: 'a', port: 1, reason: 'x' })]).all).toMatch(
    /^So\n {2}egress/,
  );
});

test('a plan is its items, a message of the user quoted', () => {
  const plan = event('plan.updated', {
    items: [
      { text: 'look', state: 'done' },
      { text: 'mend', state: 'odd' },
    ],
  });
  expect(shown([plan]).beside).toBe('  ● look\n  ? mend\n');
  expect(shown([event('message.user', { text: 'Why?\nHow?' })]).beside).toBe('> Why?\n> How?\n');
});

test('that what was said before is summed up is told in a line', () => {
  expect(shown([event('message.summary', { throughMessageId: 'm', text: 'long' })]).beside).toMatch(
    /^\(.*summed up.*\n$/,
  );
});

test('the end of a turn tells its outcome, why, and what it took', () => {
  const usage = { steps: 3, inputTokens: 1000, outputTokens: 50, cachedInputTokens: 0, costUsd: 0.0125 };
  const end = event('turn.ended', { outcome: 'limit_reached', reason: 'steps', usage });
  expect(turnEndLine(end, 1_240)).toBe('limit reached: steps (3 steps, 1050 tokens, $0.0125, 1.2 s)');
  expect(turnEndLine(event('turn.ended', { outcome: 'canceled', reason: '' }), null)).toBe(
    'canceled (0 steps, 0 tokens)',
  );
});

const types = [
  ...[
    'message.user',
    'message.agent',
    'message.agent_delta',
    'reasoning',
    'reasoning.delta',
    'tool.started',
    'tool.ended',
  ],
  ...['command.output', 'command.ended', 'plan.updated', 'files.changed', 'context.referenced', 'permission.answered'],
  ...['egress.refused', 'limit.reached', 'gap', 'turn.started', 'odd.type'],
];
const hostile = fc.string({
  unit: fc.constantFrom('\u001b', '[2J', ']0;x\u0007', '\u202e', '\r', '\n', '\t', '\u009b', 'a', '{', '"'),
});
const field = fc.constantFrom(
  ...[
    'text',
    'tool',
    'inputJson',
    'outputJson',
    'messageId',
    'reason',
    'outcome',
    'detail',
    'query',
    'decision',
    'host',
    'limit',
  ],
);
const anyEvent = fc
  .tuple(fc.constantFrom(...types), fc.dictionary(field, hostile), hostile, fc.nat(3), fc.boolean())
  .map(([type, fields, text, attempt, failed]) => {
    const items = [{ text, state: text }];
    const references = [{ path: text, firstLine: attempt, lastLine: attempt }];
    const bytes = Buffer.from(text).toString('base64');
    return event(type, { ...fields, attempt, failed, items, references, bytes, stream: 'stdout', offset: 0 }, 'cmd_1');
  });

test('whatever a model or a sandbox says, nothing reaches a terminal that it would act on', () => {
  fc.assert(
    fc.property(fc.array(anyEvent, { maxLength: 12 }), fc.boolean(), fc.boolean(), (events, live, reasoning) => {
      const { all, beside } = shown(events, { live, reasoning });
      expect(all).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
      expect(beside === '' || beside.endsWith('\n')).toBe(true);
    }),
  );
});
