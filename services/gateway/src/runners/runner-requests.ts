// The gateway's way to a runner for what is too large for Temporal or NATS: HTTP, to the address that the runner announces.
//
// 1. No answer in time, no connection, or no such runner: `dependency_unavailable` with the part `sandbox-runner`. The runner's own
//    refusal keeps its code.
// 2. Bodies are streamed both ways: nothing is held here, and who reads slowly slows the runner down.
// 3. The signal ends the request, also while the answer is read; the runner then stops working for it.

import { type ErrorCode, errorKinds, WorktrailError } from '@worktrail/contract/errors';
import type { RunnerDocument } from '@worktrail/contract/documents';
import { unavailable } from '../deadline.ts';
import type { RunnerView } from './runner-view.ts';

export interface RunnerRequest {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Below the runner's /internal/v1/, its parts encoded: "sessions/ses_…/diff" */
  path: string;
  query?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  json?: unknown;
  /** Instead. */
  body?: Uint8Array | ReadableStream<Uint8Array>;
  signal: AbortSignal;
  /** To the first byte of the answer. */
  timeoutMs?: number;
}

export interface RunnerAnswer {
  status: number;
  headers: Headers;
  /** To be read or canceled. */
  body: ReadableStream<Uint8Array> | null;
}

export interface RunnerRequests {
  /** Asks this runner and no other. @throws dependency_unavailable, or what the runner refuses with */
  ask(runnerId: string, request: RunnerRequest): Promise<RunnerAnswer>;
  /** Asks this runner if it is alive, else any that is. */
  askAny(preferredId: string | null, request: RunnerRequest): Promise<RunnerAnswer>;
}

const firstByteTimeoutMs = 5_000;
const refusalBytesMax = 65_536;
const part = 'sandbox-runner';

export function createRunnerRequests(runners: Pick<RunnerView, 'find' | 'list'>, token: string): RunnerRequests {
  return {
    async ask(runnerId, request) {
      const runner = await runners.find(runnerId);
      if (!runner) throw unavailable(part, `${runnerId} is not alive`);
      return send(runner, request, token);
    },
    async askAny(preferredId, request) {
      const preferred = preferredId === null ? undefined : await runners.find(preferredId);
      const runner = preferred ?? leastOccupied(await runners.list());
      if (!runner) throw unavailable(part, 'no runner is alive');
      return send(runner, request, token);
    },
  };
}

/** One that lacks nothing, if there is one. */
export function leastOccupied(runners: readonly RunnerDocument[]): RunnerDocument | undefined {
  const free = ({ slots }: RunnerDocument) => slots.total - slots.used;
  const burden = (runner: RunnerDocument) => (runner.unavailable ? 2 : 0) + (runner.draining ? 1 : 0);
  return runners.toSorted((a, b) => burden(a) - burden(b) || free(b) - free(a))[0];
}

async function send(runner: RunnerDocument, request: RunnerRequest, token: string): Promise<RunnerAnswer> {
  const { method, path, query = {}, json, signal, timeoutMs = firstByteTimeoutMs } = request;
  const body = json === undefined ? request.body : JSON.stringify(json);
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  const url = new URL(`/internal/v1/${path}`, runner.url);
  url.search = new URLSearchParams(query).toString();
  try {
    const response = await fetch(url, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(json !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: body as NonNullable<RequestInit['body']> }),
      ...(body instanceof ReadableStream && { duplex: 'half' as const }),
      redirect: 'error',
      signal: AbortSignal.any([signal, late.signal]),
    });
    if (!response.ok) throw await refusal(response);
    return { status: response.status, headers: response.headers, body: response.body };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof WorktrailError) throw error;
    const reason = (late.signal.reason as Error | undefined) ?? rootOf(error);
    throw unavailable(part, `${runner.id}: ${reason.message}`, error);
  } finally {
    clearTimeout(timer);
  }
}

async function refusal(response: Response): Promise<WorktrailError> {
  const text = await firstBytes(response, refusalBytesMax);
  let said: { code?: unknown; detail?: unknown } = {};
  try {
    said = JSON.parse(text);
  } catch {
    // No runner of ours answers so.
  }
  const { code, detail } = said;
  if (typeof code !== 'string' || !Object.hasOwn(errorKinds, code) || code === 'unauthenticated') {
    return unavailable(part, `it answers ${response.status}`);
  }
  if (code === 'dependency_unavailable') return unavailable(part, String(detail));
  return new WorktrailError(code as ErrorCode, String(detail));
}

async function firstBytes(response: Response, bytesMax: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    bytes += chunk.byteLength;
    if (bytes >= bytesMax) break;
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The client's own error says only that it failed. */
function rootOf(error: unknown): Error {
  if (!(error instanceof Error)) return new Error(String(error));
  return error.cause instanceof Error ? rootOf(error.cause) : error;
}
