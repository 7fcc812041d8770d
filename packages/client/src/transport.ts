// One request to the API: address, key, JSON in and out, errors, retries.
//
// 1. Every POST, and what else takes one, carries an idempotency key, made per call unless given, so that a retry cannot do a thing twice.
// 2. Transient failures are retried (retry.ts) up to `attemptsMax`; the last one is thrown.
// 3. What takes longer than a request waits, and goes on, is asked for again under the same key until it has ended.
// 4. No request waits for ever: 75 s for the whole answer (of a stream: its beginning), plus what the request itself asks the server to wait.
// 5. The key goes to `apiUrl` only: redirects are refused.

import { apiErrorOf, plainError, WorktrailApiError, WorktrailConnectionError } from './api-error.ts';
import { canRepeat, isStillRunning, isTransient, retryDelayMs, stillRunningAttemptsMax } from './retry.ts';
import type { Wait } from './wait.ts';

/** Longer than the server waits for what takes long. */
const answerTimeoutMs = 75_000;

/** Node's fetch gives up on an answer's headers after 300 s, so a wait ends before. */
const waitSecondsMax = 290;

type QueryValue = string | number | boolean | readonly string[] | undefined;

export interface RequestOptions {
  query?: Record<string, QueryValue>;
  /** Sent as JSON. */
  body?: unknown;
  /** Sent as it is, instead of `body`. */
  bytes?: Uint8Array<ArrayBuffer>;
  headers?: Record<string, string>;
  idempotencyKey?: string;
  /** It is no POST, and honours an idempotency key as they do. */
  takesKey?: true;
  /** The server is asked to hold its answer back for what is waited for, at most `waitSecondsMax`. */
  waitSeconds?: number | undefined;
  signal?: AbortSignal;
  /** False: this one attempt only. */
  retry?: boolean;
  /** Statuses that are answers here, not errors. */
  accept?: readonly number[];
}

export interface Transport {
  readonly apiUrl: string;
  json<T>(method: string, path: string, options?: RequestOptions): Promise<T>;
  /** The answer's body is not needed. */
  send(method: string, path: string, options?: RequestOptions): Promise<void>;
  bytes(path: string, options?: RequestOptions): Promise<{ bytes: Uint8Array; headers: Headers }>;
  /** The body is the caller's to read, and not covered by the time limit or by retries. */
  stream(path: string, options?: RequestOptions & { method?: 'GET' | 'POST' }): Promise<Response>;
}

export interface TransportDependencies {
  apiUrl: string;
  apiKey: string | undefined;
  userAgent: string;
  fetch: typeof fetch;
  wait: Wait;
  random: () => number;
  newIdempotencyKey: () => string;
  attemptsMax: number;
  /** Told each time when something takes longer than a request waits. */
  onStillRunning?: ((detail: string) => void) | undefined;
}

export function createTransport(dependencies: TransportDependencies): Transport {
  const apiUrl = dependencies.apiUrl.replace(/\/+$/, '');

  async function exchange<T>(method: string, path: string, options: RequestOptions, read: Read<T>): Promise<T> {
    const init = requestInit(dependencies, method, options);
    const waitSeconds = options.waitSeconds === undefined ? undefined : Math.min(options.waitSeconds, waitSecondsMax);
    const url = apiUrl + path + queryString({ ...options.query, waitSeconds });
    const timeoutMs = answerTimeoutMs + (waitSeconds ?? 0) * 1000;
    const attemptsMax = options.retry !== false && canRepeat(method, init.headers) ? dependencies.attemptsMax : 1;
    for (let attempt = 1, waited = 0; ; attempt++) {
      try {
        return await attemptOnce(
          dependencies.fetch,
          apiUrl,
          url,
          init,
          { timeoutMs, signal: options.signal },
          async (response) => {
            // The attempt before this one may have deleted it and lost its answer.
            const isGone = method === 'DELETE' && attempt > 1 && response.status === 404;
            if (response.ok || isGone || options.accept?.includes(response.status)) return read(response);
            throw await apiErrorOf(response);
          },
        );
      } catch (error) {
        if (isStillRunning(error) && attemptsMax > 1 && waited < stillRunningAttemptsMax) {
          waited += 1;
          attempt = 0;
          dependencies.onStillRunning?.(error.detail);
        } else if (attempt >= attemptsMax || !isTransient(error, attempt)) throw error;
        await dependencies.wait(retryDelayMs(Math.max(1, attempt), error, dependencies.random()), options.signal);
      }
    }
  }

  return {
    apiUrl,
    json: <T>(method: string, path: string, options: RequestOptions = {}) =>
      exchange(method, path, options, (response) => readJson<T>(response)),
    send: (method, path, options = {}) =>
      exchange(method, path, options, async (response) => {
        await response.arrayBuffer();
      }),
    bytes: (path, options = {}) =>
      exchange('GET', path, options, async (response) => ({
        bytes: new Uint8Array(await response.arrayBuffer()),
        headers: response.headers,
      })),
    stream: (path, { method = 'GET', ...options } = {}) =>
      exchange(method, path, options, async (response) => response),
  };
}

type Read<T> = (response: Response) => Promise<T>;

async function readJson<T>(response: Response): Promise<T> {
  const text = await response.text();
  try {
    return JSON.parse(text) as T;
  } catch {
    const detail = `${response.url} did not answer with JSON: is this the address of Worktrail's API?`;
    throw plainError(response.status, detail);
  }
}

interface Init {
  method: string;
  headers: Headers;
  body: string | Uint8Array<ArrayBuffer> | null;
}

function requestInit(dependencies: TransportDependencies, method: string, options: RequestOptions): Init {
  const headers = new Headers({ accept: 'application/json', 'user-agent': dependencies.userAgent, ...options.headers });
  if (dependencies.apiKey) headers.set('authorization', `Bearer ${dependencies.apiKey}`);
  if (method === 'POST' || options.takesKey) {
    headers.set('idempotency-key', options.idempotencyKey ?? dependencies.newIdempotencyKey());
  }
  if (options.bytes) headers.set('content-type', 'application/octet-stream');
  else if (options.body !== undefined) headers.set('content-type', 'application/json');
  const body = options.bytes ?? (options.body === undefined ? null : JSON.stringify(options.body));
  return { method, headers, body };
}

async function attemptOnce<T>(
  send: typeof fetch,
  apiUrl: string,
  url: string,
  init: Init,
  { timeoutMs, signal: stop }: { timeoutMs: number; signal: AbortSignal | undefined },
  read: Read<T>,
): Promise<T> {
  stop?.throwIfAborted();
  const tooLate = new AbortController();
  const timer = setTimeout(() => tooLate.abort(new Error(`no answer within ${timeoutMs / 1000} s`)), timeoutMs);
  const signal = AbortSignal.any(stop ? [stop, tooLate.signal] : [tooLate.signal]);
  try {
    return await send(url, { ...init, signal, redirect: 'error' }).then(read);
  } catch (cause) {
    stop?.throwIfAborted();
    if (cause instanceof WorktrailApiError) throw cause;
    throw new WorktrailConnectionError(apiUrl, reasonOf(cause), cause);
  } finally {
    clearTimeout(timer);
  }
}

/** The innermost message: "fetch failed" alone helps nobody. */
function reasonOf(cause: unknown): string {
  let inner = cause;
  for (let depth = 0; depth < 5 && inner instanceof Error && inner.cause instanceof Error; depth++) inner = inner.cause;
  const code = inner instanceof Error && 'code' in inner ? String(inner.code) : '';
  const message = inner instanceof Error ? inner.message : String(inner);
  return message || code || 'the connection failed';
}

function queryString(query: Record<string, QueryValue> = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || (Array.isArray(value) && value.length === 0)) continue;
    parameters.set(name, Array.isArray(value) ? value.join(',') : String(value));
  }
  const text = parameters.toString();
  return text ? `?${text}` : '';
}
