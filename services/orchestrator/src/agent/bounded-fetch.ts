// Requests to a provider whose answers are bounded, whatever it sends: in all, and in bytes without a line end, which whoever reads
// events of a stream holds in memory.

import { AnswerTooLarge } from './step-stream.ts';

/** Of an answer of a token in each event, up to the bound of what is kept of it. */
const bytesMaxDefault = 64 * 1024 ** 2;
const lineBytesMaxDefault = 2 * 1024 ** 2;

export function boundedFetch(
  { bytesMax = bytesMaxDefault, lineBytesMax = lineBytesMaxDefault } = {},
  ask: typeof fetch = fetch,
): typeof fetch {
  return async (input, init) => {
    const response = await ask(input, init);
    if (!response.body) return response;
    const { status, statusText, headers } = response;
    return new Response(response.body.pipeThrough(bound(bytesMax, lineBytesMax)), { status, statusText, headers });
  };
}

function bound(bytesMax: number, lineBytesMax: number): TransformStream<Uint8Array, Uint8Array> {
  let bytes = 0;
  let lineBytes = 0;
  return new TransformStream({
    transform: (chunk, controller) => {
      bytes += chunk.length;
      const end = chunk.lastIndexOf(0x0a);
      lineBytes = end < 0 ? lineBytes + chunk.length : chunk.length - end - 1;
      if (bytes > bytesMax || lineBytes > lineBytesMax) controller.error(new AnswerTooLarge());
      else controller.enqueue(chunk);
    },
  });
}
