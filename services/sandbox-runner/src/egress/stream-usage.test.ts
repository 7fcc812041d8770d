import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readChatRequest, withoutUsageEvents } from './stream-usage.ts';

const ask = (request: unknown) => {
  const { asking } = readChatRequest(Buffer.from(typeof request === 'string' ? request : JSON.stringify(request)));
  return asking && (JSON.parse(asking.toString()) as unknown);
};

test('a stream is asked for its usage, unless the caller did, and nothing else is touched', () => {
  expect(ask({ model: 'm', stream: true })).toEqual({
    model: 'm',
    stream: true,
    stream_options: { include_usage: true },
  });
  expect(ask({ stream: true, stream_options: { other: 1 } })).toEqual({
    stream: true,
    stream_options: { other: 1, include_usage: true },
  });
  for (const request of [
    { model: 'm' },
    { stream: false },
    { stream: true, stream_options: { include_usage: true } },
    'nonsense',
    '[]',
    'null',
  ])
    expect(ask(request)).toBeUndefined();
});

test('the event that holds usage alone is left out, wherever the stream is cut', async () => {
  const kept = 'data: {"choices":[{"delta":{"content":"é"}}],"usage":null}\n\n: a comment\n\n';
  const hidden = 'data: {"choices":[],"usage":{"prompt_tokens":1}}\n\n';
  const end = 'data: [DONE]\n\n';
  const bytes = Buffer.from(kept + hidden + end);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 8 }), async (cuts) => {
      const at = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
      const pieces = at.slice(1).map((to, index) => bytes.subarray(at[index], to));
      expect(await text(Readable.from(pieces.filter(({ length }) => length > 0)).pipe(withoutUsageEvents()))).toBe(
        kept + end,
      );
    }),
  );
});
