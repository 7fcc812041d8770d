import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createUsageReader } from './model-usage.ts';

const stream = 'text/event-stream; charset=utf-8';
const document = 'application/json';

/** As the providers' streams came, cut to what matters. */
const openaiChat = `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","model":"gpt-4o-2024-08-06","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","model":"gpt-4o-2024-08-06","choices":[{"index":0,"delta":{"content":"\\"usage\\": many"},"finish_reason":null}],"usage":null}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","model":"gpt-4o-2024-08-06","choices":[],"usage":{"prompt_tokens":1200,"completion_tokens":34,"total_tokens":1234,"prompt_tokens_details":{"cached_tokens":1024,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}}

data: [DONE]

`;
const openaiResponses = `event: response.created
data: {"type":"response.created","response":{"id":"resp_1","model":"gpt-5","status":"in_progress","usage":null}}

event: response.output_text.delta
data: {"type":"response.output_text.delta","delta":"hi"}

event: response.completed
data: {"type":"response.completed","response":{"id":"resp_1","model":"gpt-5","status":"completed","usage":{"input_tokens":37,"input_tokens_details":{"cached_tokens":12},"output_tokens":11,"output_tokens_details":{"reasoning_tokens":4},"total_tokens":48}}}

`;
const anthropic = `event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[],"usage":{"input_tokens":25,"cache_creation_input_tokens":100,"cache_read_input_tokens":1000,"output_tokens":1}}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":15}}

event: message_stop
data: {"type":"message_stop"}

`;
const google = `data: {"candidates":[{"content":{"parts":[{"text":"a"}],"role":"model"}}],"usageMetadata":{"promptTokenCount":10,"totalTokenCount":10},"modelVersion":"gemini-2.5-flash"}\r
\r
data: {"candidates":[{"content":{"parts":[{"text":"b"}],"role":"model"},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":5,"thoughtsTokenCount":7,"cachedContentTokenCount":3,"totalTokenCount":22},"modelVersion":"gemini-2.5-flash"}\r
\r
`;

const cases = [
  [stream, openaiChat, { model: 'gpt-4o-2024-08-06', inputTokens: 1200, outputTokens: 34, cachedInputTokens: 1024 }],
  [stream, openaiResponses, { model: 'gpt-5', inputTokens: 37, outputTokens: 11, cachedInputTokens: 12 }],
  [stream, anthropic, { model: 'claude-sonnet-4-5', inputTokens: 1125, outputTokens: 15, cachedInputTokens: 1000 }],
  [stream, google, { model: 'gemini-2.5-flash', inputTokens: 10, outputTokens: 12, cachedInputTokens: 3 }],
  [
    document,
    '{"model":"gpt-4o","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":12}}',
    { model: 'gpt-4o', inputTokens: 9, outputTokens: 12, cachedInputTokens: 0 },
  ],
  [
    document,
    '[{"usageMetadata":{"promptTokenCount":4}},{"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":6},"modelVersion":"g"}]',
    { model: 'g', inputTokens: 4, outputTokens: 6, cachedInputTokens: 0 },
  ],
] as const;

test.each(cases)('usage is read from %s, wherever it is cut', (contentType, text, expected) => {
  const bytes = Buffer.from(text);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 12 }), (cuts) => {
      const reader = createUsageReader(contentType);
      const at = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
      for (let i = 1; i < at.length; i += 1) reader.push(bytes.subarray(at[i - 1], at[i]));
      expect(reader.usage()).toEqual(expected);
    }),
  );
});

test('an answer that breaks off leaves what was said until then', () => {
  const reader = createUsageReader(stream);
  reader.push(Buffer.from(anthropic.slice(0, anthropic.indexOf('event: content_block_delta'))));
  expect(reader.usage()).toEqual({
    model: 'claude-sonnet-4-5',
    inputTokens: 1125,
    outputTokens: 1,
    cachedInputTokens: 1000,
  });
});

test('nonsense, figures that are none, and endless lines are no usage and no fault', () => {
  const endless = createUsageReader(stream);
  for (let i = 0; i < 100; i += 1) endless.push(Buffer.alloc(100_000, 'x'));
  expect(endless.usage()).toBeUndefined();
  endless.push(Buffer.from(`\n${openaiChat}`));
  expect(endless.usage()).toMatchObject({ outputTokens: 34 });
  for (const text of ['', '{', 'null', '[1]', '{"usage":3}', '{"usage":[]}', 'data: {"usage":{}}']) {
    const reader = createUsageReader(document);
    reader.push(Buffer.from(text));
    expect(reader.usage()).toBeUndefined();
  }
  const strange = createUsageReader(document);
  strange.push(Buffer.from('{"usage":{"prompt_tokens":-5,"completion_tokens":1e400,"input_tokens":"7"}}'));
  expect(strange.usage()).toEqual({ model: '', inputTokens: 0, outputTokens: 0, cachedInputTokens: 0 });
});
