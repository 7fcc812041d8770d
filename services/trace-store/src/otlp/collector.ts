// One request to the collector: OTLP over HTTP, in protobuf.
//
// What the collector refuses for good is told and given up, so that the rest goes on; everything else is worth another try, no sooner than it
// says.

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { OtlpExportRequestSchema, OtlpExportResponseSchema, type OtlpSpan } from '@worktrail/proto/otlp';

export interface CollectorConfig {
  /** Of traces, as it stands: ".../v1/traces". */
  url: string;
  headers: Readonly<Record<string, string>>;
}

export type Sent =
  | { done: true; rejected: number; reason: string }
  /** `afterMs`: as the collector asks; null where it does not say. */
  | { done: false; afterMs: number | null; reason: string };

export type SendSpans = (spans: readonly OtlpSpan[], signal: AbortSignal) => Promise<Sent>;

const timeoutMs = 10_000;
const answerBytesMax = 64 * 1024;
const transientStatuses = [408, 429, 502, 503, 504];
const retryAfterMsMax = 300_000;

export function createCollector({ url, headers }: CollectorConfig, send: typeof fetch = fetch): SendSpans {
  return async (spans, signal) => {
    const request = create(OtlpExportRequestSchema, {
      resourceSpans: [
        {
          resource: {
            attributes: [{ key: 'service.name', value: { value: { case: 'stringValue', value: 'worktrail' } } }],
          },
          scopeSpans: [{ scope: { name: 'worktrail' }, spans: [...spans] }],
        },
      ],
    });
    try {
      const response = await send(url, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/x-protobuf' },
        body: toBinary(OtlpExportRequestSchema, request),
        redirect: 'error',
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      });
      const body = await readSome(response);
      const reason = `the collector answered ${response.status}`;
      if (response.ok) return partly(body);
      if (!transientStatuses.includes(response.status)) return { done: true, rejected: spans.length, reason };
      return { done: false, reason, afterMs: retryAfterMs(response.headers.get('retry-after')) };
    } catch (error) {
      signal.throwIfAborted();
      return { done: false, afterMs: null, reason: `the collector does not answer: ${(error as Error).message}` };
    }
  };
}

/** It has the spans, whatever its answer looks like. */
function partly(body: Uint8Array): Sent {
  try {
    const { partialSuccess } = fromBinary(OtlpExportResponseSchema, body);
    return {
      done: true,
      rejected: Number(partialSuccess?.rejectedSpans ?? 0),
      reason: partialSuccess?.errorMessage ?? '',
    };
  } catch {
    return { done: true, rejected: 0, reason: '' };
  }
}

async function readSome(response: Response): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body ?? []) {
    bytes += part.length;
    if (bytes > answerBytesMax) break;
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function retryAfterMs(text: string | null): number | null {
  const seconds = text === null ? Number.NaN : Number(text);
  return seconds >= 0 ? Math.min(retryAfterMsMax, seconds * 1_000) : null;
}
