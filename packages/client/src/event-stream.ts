// A session's events as they happen, over server-sent events.
//
// 1. From `after` (without it: from the first event) every event comes once, in order, however often the connection is cut: each new
//    connection asks for what follows the last event that was handed out.
// 2. A connection without a byte for 45 s (the server pings every 15 s) counts as cut.
// 3. Attempts back off up to 5 s. After `giveUpAfterMs` without a connection the last error is thrown; a refusal that trying again
//    cannot change (unknown session, expired cursor, wrong key) is thrown at once.

import { createParser } from 'eventsource-parser';
import { WorktrailApiError, WorktrailConnectionError } from './api-error.ts';
import type { Event } from './gen/api-schemas.ts';
import { backOffMs, retryDelayMs } from './retry.ts';
import type { Transport } from './transport.ts';
import { unlessAborted, type Wait } from './wait.ts';

const bufferedCharactersMax = 8 * 1024 * 1024;

/** One fact of a session's history. */
export type WorktrailEvent = Event;

export interface FollowOptions {
  /** Cursor of the last event already seen. */
  after?: string | undefined;
  types?: readonly string[];
  signal?: AbortSignal;
  giveUpAfterMs?: number;
  /** Told of each cut, before the wait. */
  onReconnect?: (cause: unknown, attempt: number) => void;
}

export interface FollowDependencies {
  transport: Transport;
  wait: Wait;
  random: () => number;
  nowMs: () => number;
  silenceMs: number;
}

export async function* followEvents(
  dependencies: FollowDependencies,
  sessionId: string,
  options: FollowOptions = {},
): AsyncGenerator<WorktrailEvent> {
  const giveUpAfterMs = options.giveUpAfterMs ?? 10 * 60_000;
  let after = options.after;
  let failures = 0;
  let answeredAtMs = dependencies.nowMs();
  for (;;) {
    let cause: unknown = new WorktrailConnectionError(dependencies.transport.apiUrl, 'the event stream ended');
    try {
      for await (const message of openStream(dependencies, sessionId, { ...options, after })) {
        answeredAtMs = dependencies.nowMs();
        if (message === 'alive') continue;
        failures = 0;
        after = message.cursor;
        yield message;
      }
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!isCut(error)) throw error;
      cause = error;
    }
    failures++;
    if (dependencies.nowMs() - answeredAtMs > giveUpAfterMs) throw cause;
    options.onReconnect?.(cause, failures);
    await dependencies.wait(delayMs(failures, cause, dependencies.random()), options.signal);
  }
}

/** The first cut is most often a restart of the gateway or a proxy's limit: come back soon. */
function delayMs(failures: number, cause: unknown, random: number): number {
  return cause instanceof WorktrailApiError ? retryDelayMs(failures, cause, random) : backOffMs(failures, random);
}

function isCut(error: unknown): boolean {
  return error instanceof WorktrailConnectionError || (error instanceof WorktrailApiError && error.retryable);
}

/** One connection. 'alive' stands for bytes that carried no event. */
async function* openStream(
  dependencies: FollowDependencies,
  sessionId: string,
  options: FollowOptions,
): AsyncGenerator<WorktrailEvent | 'alive'> {
  const cut = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, cut.signal]) : cut.signal;
  const headers: Record<string, string> = { accept: 'text/event-stream', 'cache-control': 'no-store' };
  if (options.after !== undefined) headers['last-event-id'] = options.after;
  try {
    const path = `/v1/sessions/${encodeURIComponent(sessionId)}/events`;
    const query = { types: options.types };
    const response = await dependencies.transport.stream(path, { headers, query, signal, retry: false });
    yield 'alive';
    yield* readEvents(dependencies, response, signal);
  } finally {
    cut.abort();
  }
}

async function* readEvents(
  dependencies: FollowDependencies,
  response: Response,
  signal: AbortSignal,
): AsyncGenerator<WorktrailEvent | 'alive'> {
  const received: WorktrailEvent[] = [];
  const parser = createParser({
    onEvent: (message) => received.push(JSON.parse(message.data) as WorktrailEvent),
    maxBufferSize: bufferedCharactersMax,
  });
  const decoder = new TextDecoder();
  const reader = response.body!.getReader();
  for (;;) {
    const { done, value } = await readWithin(dependencies, reader, signal);
    if (done) return;
    parser.feed(decoder.decode(value, { stream: true }));
    if (received.length === 0) yield 'alive';
    yield* received.splice(0);
  }
}

/** Silence is measured while waiting for bytes only, so that a slow consumer is not taken for a dead connection. */
async function readWithin(
  { transport, silenceMs }: FollowDependencies,
  reader: ReadableStreamDefaultReader<Uint8Array>,
  signal: AbortSignal,
): Promise<{ done: boolean; value?: Uint8Array }> {
  const silent = new AbortController();
  const timer = setTimeout(() => silent.abort(new Error(`no ping for ${silenceMs / 1000} s`)), silenceMs);
  try {
    return await unlessAborted(reader.read(), AbortSignal.any([signal, silent.signal]));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new WorktrailConnectionError(transport.apiUrl, `the event stream broke off (${why})`, cause);
  } finally {
    clearTimeout(timer);
  }
}
