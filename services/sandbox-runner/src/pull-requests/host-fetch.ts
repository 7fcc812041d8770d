// How a host's API is called, beneath the host's own client.
//
// 1. A token is sent to the API's own origin only: a redirect is followed there (at most three), and fails anywhere else.
// 2. A call ends within its time, an answer above its bound is refused.
// 3. What is not answered well is a HostFailure, and no text of one holds the token.

/** As the global one. */
export type Fetch = (input: string, init: RequestInit) => Promise<Response>;

export class HostFailure extends Error {
  override readonly name = 'HostFailure';
  /** null: there was no answer. */
  readonly status: number | null;
  /** Asking again cannot help until somebody changes something. */
  readonly isFinal: boolean;
  /** What the host asked for. */
  readonly retryAfterMs: number | null;
  constructor(message: string, of: Partial<Pick<HostFailure, 'status' | 'isFinal' | 'retryAfterMs'>> = {}) {
    super(message);
    this.status = of.status ?? null;
    this.isFinal = of.isFinal ?? false;
    this.retryAfterMs = of.retryAfterMs ?? null;
  }
}

export interface HostFetchOptions {
  apiUrl: string;
  token: string;
  fetch: Fetch;
  signal: AbortSignal;
  timeoutMs?: number;
  nowMs?: () => number;
}

const timeoutMsDefault = 30_000;
const answerBytesMax = 8 * 1024 ** 2;
const redirectsMax = 3;
const detailLengthMax = 300;
const retryAfterMsMax = 60 * 60 * 1000;

export function createHostFetch(options: HostFetchOptions): typeof fetch {
  const { origin } = new URL(options.apiUrl);
  const { timeoutMs = timeoutMsDefault, nowMs = Date.now, signal } = options;
  return async (input, init = {}) => {
    const within = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    let request = { ...init, redirect: 'manual' as const, signal: within };
    let url = input instanceof Request ? input.url : String(input);
    for (let redirects = 0; ; redirects += 1) {
      if (new URL(url).origin !== origin) throw new HostFailure(`it leads to another server than ${origin}`, final);
      const { response, bytes } = await ask(options, url, request).catch((error: unknown) => {
        signal.throwIfAborted();
        throw error instanceof HostFailure ? error : new HostFailure(`${origin} does not answer: ${causeOf(error)}`);
      });
      const { status, headers } = response;
      const next = redirectOf(request.method ?? 'GET', url, response);
      if (next !== undefined) {
        if (redirects >= redirectsMax)
          throw new HostFailure(`${origin} redirects without an end`, { status, isFinal: true });
        url = next;
        continue;
      }
      if (status >= 200 && status < 300) {
        return new Response(status === 204 ? null : bytes, { status, headers: plainHeaders(headers) });
      }
      throw failureOf(response, bytes, options.token, nowMs());
    }
  };
}

const final = { isFinal: true };

async function ask({ fetch }: HostFetchOptions, url: string, init: RequestInit) {
  const response = await fetch(url, init);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > answerBytesMax) throw new HostFailure(`the answer is over ${answerBytesMax} bytes`, final);
    chunks.push(chunk);
  }
  return { response, bytes: Buffer.concat(chunks) };
}

/** What was asked for is asked for again only where the status says so. */
function redirectOf(method: string, url: string, { status, headers }: Response): string | undefined {
  const location = headers.get('location');
  const isSame = status === 307 || status === 308;
  const isMoved = (status === 301 || status === 302) && method === 'GET';
  if (location === null || !(isSame || isMoved) || !URL.canParse(location, url)) return undefined;
  return new URL(location, url).href;
}

/** The bytes are unpacked already. */
function plainHeaders(headers: Headers): Headers {
  const plain = new Headers(headers);
  plain.delete('content-encoding');
  plain.delete('content-length');
  return plain;
}

function failureOf({ status, headers }: Response, bytes: Buffer, token: string, nowMs: number): HostFailure {
  const retryAfterMs = retryAfterOf(status, headers, nowMs);
  const said = reasonOf(bytes.toString('utf8')).replaceAll(token, '***').slice(0, detailLengthMax);
  const isLimited = status === 429 || (status === 403 && retryAfterMs !== null);
  const isFinal = status < 500 && status !== 408 && !isLimited;
  return new HostFailure(`the host answers ${status}${said && `: ${said}`}`, { status, isFinal, retryAfterMs });
}

/** By `Retry-After`, or by a count of requests that is used up. */
function retryAfterOf(status: number, headers: Headers, nowMs: number): number | null {
  const after = headers.get('retry-after');
  if (after !== null) {
    const ms = /^\d+$/.test(after) ? Number(after) * 1000 : Date.parse(after) - nowMs;
    return Number.isFinite(ms) ? bounded(ms) : null;
  }
  if (status !== 403 && status !== 429) return null;
  const remaining = headers.get('x-ratelimit-remaining') ?? headers.get('ratelimit-remaining');
  const reset = Number(headers.get('x-ratelimit-reset') ?? headers.get('ratelimit-reset') ?? 'NaN');
  return remaining === '0' && Number.isFinite(reset) ? bounded(reset * 1000 - nowMs) : null;
}

function bounded(ms: number): number {
  return Math.min(Math.max(ms, 1_000), retryAfterMsMax);
}

/** What the hosts' errors have for people. */
function reasonOf(text: string): string {
  try {
    const { message, error, errors } = JSON.parse(text) as Record<string, unknown>;
    const more = Array.isArray(errors)
      ? errors.map((one) => shown((one as Record<string, unknown>)?.['message'] ?? one))
      : [];
    return [shown(message ?? error ?? ''), ...more].join('; ').replaceAll(/\s+/g, ' ');
  } catch {
    return '';
  }
}

function shown(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function causeOf(error: unknown): string {
  const { cause, name, message } = error as Error & { cause?: Error & { code?: string } };
  return name === 'TimeoutError' ? 'it took too long' : (cause?.code ?? cause?.message ?? message);
}
