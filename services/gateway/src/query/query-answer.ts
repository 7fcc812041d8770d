// An answer of the trace-store to a statement, as it comes: its beginning is waited for, so that what is refused is refused before anything is sent.

import type { MessageInitShape } from '@bufbuild/protobuf';
import type { QueryStreamRequestSchema } from '@worktrail/proto/trace';
import type { TraceClient } from '@worktrail/runtime/trace-client';

/** Longer than any statement may run. */
const answerMsMax = 660_000;

export interface QueryAnswer {
  format: string;
  body: ReadableStream<Uint8Array>;
}

/** @param cut what is written at the end where rows were left out @throws ConnectError */
export async function openAnswer(
  trace: Pick<TraceClient, 'queryStream'>,
  question: MessageInitShape<typeof QueryStreamRequestSchema>,
  signal: AbortSignal,
  cut: (limit: string) => string = () => '',
): Promise<QueryAnswer> {
  const gone = new AbortController();
  const options = { signal: AbortSignal.any([signal, gone.signal]), timeoutMs: answerMsMax };
  const parts = trace.queryStream(question, options)[Symbol.asyncIterator]();
  const first = await parts.next();
  const part = first.done ? undefined : first.value.part;
  const body = new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        for (;;) {
          const next = await parts.next();
          if (next.done) return controller.close();
          const { case: kind, value } = next.value.part;
          if (kind === 'bytes' && value.length > 0) return controller.enqueue(value);
          if (kind === 'end' && value.limit !== '') return controller.enqueue(Buffer.from(cut(value.limit)));
        }
      },
      cancel: () => gone.abort(),
    },
    { highWaterMark: 0 },
  );
  return { format: part?.case === 'start' ? part.value.format : '', body };
}
