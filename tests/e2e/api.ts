// The public API as a test sees it: plain fetch, so that what is checked is the contract and not our own client.

import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';

export interface Answer<T = any> {
  status: number;
  headers: Headers;
  body: T;
}

export interface PublicEvent {
  cursor: string;
  id: string;
  sessionId: string;
  commandId?: string;
  type: string;
  time: string;
  data: Record<string, any>;
}

export interface Api {
  readonly url: string;
  /** Like any client, it asks again, under one key, while a part of the system does not answer. */
  request(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** Asked once: for what is answered while a part is away. */
  once(method: string, path: string, body?: unknown): Promise<Answer>;
  get(path: string): Promise<Answer>;
  post(path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** POST that must succeed; its body. Whatever is refused for the moment is asked again. */
  make(path: string, body?: unknown, headers?: Record<string, string>): Promise<any>;
  bytes(path: string): Promise<{ bytes: Buffer; headers: Headers; status: number }>;
}

/** So long what is refused for the moment is asked again. */
const patienceMs = 240_000;
const awayCodes = ['dependency_unavailable', 'still_running'];

/** Asks again when the answer says so, while `isPassing` says it of the body; by default, while a part of the system does not answer. */
export async function fetchAgain(
  url: string,
  init: RequestInit,
  isPassing: (body: string) => boolean = isAway,
): Promise<Response> {
  for (const deadline = Date.now() + patienceMs; ; ) {
    const answer = await fetch(url, init);
    const seconds = Number(answer.headers.get('retry-after') ?? 0);
    if (seconds === 0 || Date.now() > deadline) return answer;
    // To its end, and not from a clone: a body that has one cannot be canceled for as long as that is not read.
    const body = await answer.text();
    if (!isPassing(body)) return new Response(body, answer);
    await delay(seconds * 1_000);
  }
}

function isAway(body: string): boolean {
  return awayCodes.includes((parse(body) as { code?: string } | null)?.code ?? '');
}

export function createApi(url: string, key: string): Api {
  const authorization = `Bearer ${key}`;
  const ask = async (
    isPassing: ((body: string) => boolean) | undefined,
    [method, path, body, headers = {}]: Parameters<Api['request']>,
  ): Promise<Answer> => {
    const isRaw = body instanceof Uint8Array || typeof body === 'string';
    const init = {
      method,
      headers: {
        authorization,
        ...(method !== 'GET' && { 'idempotency-key': randomUUID() }),
        ...(body !== undefined && { 'content-type': isRaw ? 'application/octet-stream' : 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: isRaw ? (body as RequestInit['body']) : JSON.stringify(body) }),
    };
    const response = await fetchAgain(`${url}${path}`, init as RequestInit, isPassing);
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text ? parse(text) : undefined };
  };
  const request: Api['request'] = (...what) => ask(undefined, what);
  return {
    url,
    request,
    once: (...what) => ask(() => false, what),
    get: (path) => request('GET', path),
    post: (path, body = {}, headers) => request('POST', path, body, headers),
    make: async (path, body = {}, headers) => {
      const answer = await ask(() => true, ['POST', path, body, headers]);
      if (answer.status >= 300) throw new Error(`POST ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
      return answer.body;
    },
    bytes: async (path) => {
      const response = await fetchAgain(`${url}${path}`, { headers: { authorization } });
      return {
        bytes: Buffer.from(await response.arrayBuffer()),
        headers: response.headers,
        status: response.status,
      };
    },
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Asleep: what it has may take longer to be stored than a request waits. */
export async function hibernate(api: Api, sessionId: string): Promise<any> {
  for (;;) {
    const session = await api.make(`/v1/sessions/${sessionId}/hibernate`);
    if (session.state === 'hibernated') return session;
  }
}

/** The whole history of a session by pages. */
export async function readHistory(api: Api, sessionId: string, limit = 200): Promise<PublicEvent[]> {
  const events: PublicEvent[] = [];
  for (let after = ''; ; ) {
    const page = await api.get(`/v1/sessions/${sessionId}/events?limit=${limit}${after && `&after=${after}`}`);
    if (page.status !== 200) throw new Error(`events: ${page.status} ${JSON.stringify(page.body)}`);
    events.push(...page.body.items);
    after = page.body.nextCursor;
    if (page.body.complete) return events;
  }
}

/** Server-sent events until `until` says so or the connection ends; the caller may cut it with `signal`. */
export async function* followEvents(
  api: Api,
  key: string,
  sessionId: string,
  options: { lastEventId?: string; after?: string; signal?: AbortSignal } = {},
): AsyncGenerator<PublicEvent> {
  const query = options.after ? `?after=${options.after}` : '';
  const response = await fetchAgain(`${api.url}/v1/sessions/${sessionId}/events${query}`, {
    headers: {
      authorization: `Bearer ${key}`,
      accept: 'text/event-stream',
      ...(options.lastEventId && { 'last-event-id': options.lastEventId }),
    },
    ...(options.signal && { signal: options.signal }),
  });
  if (response.status !== 200 || !response.body) throw new Error(`SSE: ${response.status} ${await response.text()}`);
  let buffered = '';
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    buffered += chunk;
    for (let end = buffered.indexOf('\n\n'); end >= 0; end = buffered.indexOf('\n\n')) {
      const block = buffered.slice(0, end);
      buffered = buffered.slice(end + 2);
      const data = block.split('\n').filter((line) => line.startsWith('data:'));
      if (data.length === 0) continue;
      const event = JSON.parse(data.map((line) => line.slice(5).trimStart()).join('\n')) as PublicEvent;
      const id = /^id: ?(.*)$/m.exec(block)?.[1];
      if (id !== event.cursor) throw new Error(`SSE id ${id} is not the cursor ${event.cursor}`);
      yield event;
    }
  }
}

/** Bytes of one stream of one command, from its output events. */
export function outputOf(events: readonly PublicEvent[], commandId: string, stream: 'stdout' | 'stderr'): Buffer {
  const chunks = events.filter(
    (event) => event.type === 'command.output' && event.commandId === commandId && event.data['stream'] === stream,
  );
  let offset = 0;
  for (const chunk of chunks) {
    if (chunk.data['offset'] !== offset) throw new Error(`output jumps from ${offset} to ${chunk.data['offset']}`);
    offset += Buffer.from(chunk.data['bytes'], 'base64').length;
  }
  return Buffer.concat(chunks.map((chunk) => Buffer.from(chunk.data['bytes'], 'base64')));
}

/** A trial when it has ended. */
export async function trialEnd(api: Api, trialId: string): Promise<any> {
  for (let asked = 1; ; asked++) {
    const { body: trial } = await api.get(`/v1/trials/${trialId}?waitSeconds=60`);
    if (trial.state !== 'running') return trial;
    if (asked === 4) throw new Error(`the trial still runs: ${JSON.stringify(trial)}`);
  }
}
