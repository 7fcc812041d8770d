// A model of OpenAI, by its Responses API: what it is asked, and what becomes of its answers. The provider is scripted, or answers badly.

import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { create } from '@bufbuild/protobuf';
import { LLMock } from '@copilotkit/aimock';
import { EventSchema } from '@worktrail/proto/event';
import type { EventPayloadInit } from '@worktrail/runtime/event-producer';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { askModel } from './ask-model.ts';
import { addEvent, modelMessages, newConversation } from './conversation.ts';
import { isContextExceeded, modelFailure } from './model-failure.ts';
import { modelRefused, modelUnavailable } from './model-step-messages.ts';
import { createModels, type OpenModel } from './models.ts';
import { createStepStream } from './step-stream.ts';
import { summarize } from './summarize.ts';

const name = 'openai/gpt-5';
const price = { input: 1_000, cachedInput: 100, output: 10_000 };
let scripted: LLMock;
let rude: Server;
/** What the rude one says. */
let answer: (response: ServerResponse) => void;
/** What it was asked last. */
let heard: any;

beforeAll(async () => {
  scripted = new LLMock({ port: 0 });
  await scripted.start();
  rude = createServer((request, response) => {
    void text(request).then((body) => {
      heard = JSON.parse(body);
      answer(response);
    });
  });
  rude.listen(0, '127.0.0.1');
  await once(rude, 'listening');
});
afterAll(async () => {
  await scripted.stop();
  rude.closeAllConnections();
  rude.close();
});
beforeEach(() => scripted.clearRequests());

const rudeUrl = () => `http://127.0.0.1:${(rude.address() as AddressInfo).port}/v1`;

function open(openaiUrl = `${scripted.url}/v1`): OpenModel {
  const none = { url: undefined, urlKey: undefined, anthropicKey: undefined, googleKey: undefined };
  const spec = { provider: 'openai', id: 'gpt-5', contextTokens: null, outputTokensMax: 500, price } as const;
  const opened = createModels({ ...none, openaiKey: 'sk-test', openaiUrl, named: { [name]: spec } }).open(name);
  if ('missing' in opened) throw new Error(opened.missing);
  return opened;
}

async function ask(events: [string, EventPayloadInit][], opened = open()) {
  const conversation = newConversation();
  for (const [producer, payload] of events)
    addEvent(conversation, create(EventSchema, { turnId: 'trn_1', producer, payload }));
  const deltas: string[] = [];
  const stream = createStepStream({
    append: async ({ case: kind }) => {
      deltas.push(kind ?? '');
      return 'stored' as never;
    },
    ...{ messageId: 'trn_1-1', attempt: 1 },
  });
  const { signal } = new AbortController();
  const answered = await askModel(opened, modelMessages(conversation), stream, { turnId: 'trn_1', step: 3, signal });
  await stream.finish();
  return { ...answered, text: stream.text, reasoning: stream.reasoning, deltas };
}

const said = (text: string): [string, EventPayloadInit][] => [
  ['session', { case: 'messageUser', value: { messageId: 'trn_1', text } }],
  ['session', { case: 'turnStarted', value: { agent: name } }],
];
const frame = (data: object) => `event: ${(data as { type: string }).type}\ndata: ${JSON.stringify(data)}\n\n`;

function streams(...frames: object[]): (response: ServerResponse) => void {
  return (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.end(frames.map(frame).join(''));
  };
}

const refuses =
  (status: number, error: object, headers = {}) =>
  (response: ServerResponse) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify({ error }));
  };

const response = { id: 'resp_1', created_at: 1, model: 'gpt-5', service_tier: null };
const created = { type: 'response.created', response };
const message = { type: 'response.output_item.added', output_index: 0, item: { type: 'message', id: 'msg_1' } };
const word = { type: 'response.output_text.delta', item_id: 'msg_1', delta: 'hel' };
const completed = {
  type: 'response.completed',
  response: {
    ...response,
    usage: {
      ...{ input_tokens: 1_000, output_tokens: 50, total_tokens: 1_050 },
      ...{ input_tokens_details: { cached_tokens: 400 }, output_tokens_details: { reasoning_tokens: 20 } },
    },
  },
};

test('text, reasoning and uses of tools come as of any provider, and each answer has its end', async () => {
  const call = { name: 'run_command', arguments: '{"command":"ls"}' };
  scripted.on({ userMessage: 'count' }, { content: 'I count.', reasoning: 'ls will do', toolCalls: [call, call] });
  scripted.on({ userMessage: 'greet' }, { content: 'Hello.' });
  const first = await ask(said('count'));
  expect(first).toMatchObject({ finish: 'tool_calls', text: 'I count.', reasoning: 'ls will do' });
  expect(first.calls).toEqual(
    [0, 1].map((index) => ({ toolCallId: `trn_1-3-${index}`, tool: call.name, inputJson: call.arguments })),
  );
  expect(first.deltas).toContain('reasoningDelta');
  expect(scripted.getRequests().at(-1)?.path).toBe('/v1/responses');
  expect(await ask(said('greet'))).toMatchObject({ finish: 'stop', text: 'Hello.', calls: [] });
});

test('a conversation is told whole from the history: nothing is kept at the provider, and nothing of it is referred to', async () => {
  answer = streams(created, message, word, completed);
  const value = { messageId: 'trn_1-1', text: 'I look.', finish: 'tool_calls' };
  const toolCalls = [{ toolCallId: 'trn_1-1-0', tool: 'run_command', inputJson: '{"command":"ls"}' }];
  const events: [string, EventPayloadInit][] = [
    ...said('go on'),
    ['trn_1-1', { case: 'messageAgent', value: { ...value, toolCalls } }],
    ['trn_1-1-0', { case: 'toolEnded', value: { toolCallId: 'trn_1-1-0', outputJson: '{"exitCode":0}' } }],
  ];
  await ask(events, open(rudeUrl()));
  expect(heard).toMatchObject({ store: false, max_output_tokens: 500, stream: true });
  expect(heard).not.toHaveProperty('previous_response_id');
  expect(heard.tools.every((tool: any) => tool.strict === false)).toBe(true);
  const [instructions, ...told] = heard.input;
  expect(instructions.role).toBe('developer');
  expect(told).toEqual([
    { role: 'user', content: [{ type: 'input_text', text: 'go on' }] },
    { role: 'assistant', content: 'I look.' },
    { type: 'function_call', call_id: 'trn_1-1-0', name: 'run_command', arguments: '{"command":"ls"}' },
    { type: 'function_call_output', call_id: 'trn_1-1-0', output: '{"exitCode":0}' },
  ]);
});

test('tokens that came from a cache are counted and priced as such', async () => {
  answer = streams(created, message, word, completed);
  const { usage, finish } = await ask(said('x'), open(rudeUrl()));
  expect(finish).toBe('stop');
  expect(usage).toEqual({ inputTokens: 1_000, outputTokens: 50, cachedInputTokens: 400, costUsd: 1.14 });
});

test('an answer that is cut off is none, one that was too long for its limit is told as that', async () => {
  answer = streams(created, message, word);
  await expect(ask(said('x'), open(rudeUrl()))).rejects.toThrow('cut off');
  const incomplete = { ...completed.response, incomplete_details: { reason: 'max_output_tokens' } };
  answer = streams(created, message, word, { type: 'response.incomplete', response: incomplete });
  expect(await ask(said('x'), open(rudeUrl()))).toMatchObject({ finish: 'length' });
});

const inStream = (code: string, text: string) => ({
  ...{ type: 'response.failed', sequence_number: 9 },
  response: { ...response, error: { code, message: text }, incomplete_details: null },
});

test.each<[string, (response: ServerResponse) => void, string, RegExp]>([
  ['a wrong key', refuses(401, { message: 'Incorrect API key' }), modelRefused, /401.*Incorrect/],
  ['too many requests', refuses(429, { message: 'slow' }, { 'retry-after': '7' }), modelUnavailable, /429/],
  ['no money', refuses(429, { message: 'pay', code: 'insufficient_quota' }), modelRefused, /429.*pay/],
  ['an overload', refuses(503, { message: 'later' }), modelUnavailable, /503/],
  ['no money, said in the stream', streams(created, inStream('insufficient_quota', 'pay')), modelRefused, /pay/],
  ['a failure before a word', streams(created, inStream('server_error', 'oops')), modelUnavailable, /oops/],
  ['one amid', streams(created, message, word, inStream('server_error', 'oops')), modelUnavailable, /oops/],
  ['a refusal amid', streams(created, message, word, inStream('invalid_prompt', 'no')), modelRefused, /no/],
])('%s is told apart', async (_, says, type, detail) => {
  answer = says;
  const error = await ask(said('x'), open(rudeUrl())).catch((thrown: unknown) => thrown);
  const failure = modelFailure(error, 0);
  expect([failure.type, failure.detail]).toEqual([type, expect.stringMatching(detail)]);
  if (type === modelUnavailable && /429/.test(failure.detail)) expect(failure.retryAfterMs).toBe(7_000);
});

test('that it was told too much is known, before the stream and in it', async () => {
  const code = 'context_length_exceeded';
  const text = 'Your input exceeds the context window of this model.';
  for (const says of [refuses(400, { message: text, code }), streams(created, inStream(code, text))]) {
    answer = says;
    const error = await ask(said('x'), open(rudeUrl())).catch((thrown: unknown) => thrown);
    expect(isContextExceeded(error)).toBe(true);
  }
});

test('a summary is one call more, of which nothing is kept there either', async () => {
  answer = streams(created, message, word, completed);
  const { signal } = new AbortController();
  expect((await summarize(open(rudeUrl()), 'user: count', 1_000, signal)).text).toBe('hel');
  expect(heard.store).toBe(false);
});
