// The runner's internal HTTP API, below /internal/v1/ on the server that it has for its health: for what is too large for Temporal or NATS.
//
// 1. Who does not show the cluster's internal token is told nothing, not even which paths there are.
// 2. At most `requestsMax` are answered at once; one more is `rate_limited`.
// 3. What fails is told as `{code, detail}` with a code of the contract. Once bytes have gone out the connection is cut instead: an
//    answer that is not whole is never taken for one that is.
// 4. A handler's `signal` is aborted once the asker has gone, or the runner stops.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { errorKinds, WorktrailError } from '@worktrail/contract/errors';
import { isBearer } from '@worktrail/runtime/internal-auth';
import type { Logger } from '@worktrail/runtime/log';
import { requestError } from './request-error.ts';

export interface RunnerCall {
  /** Of the route's path, decoded. */
  params: Readonly<Record<string, string>>;
  query: URLSearchParams;
  request: IncomingMessage;
  response: ServerResponse;
  signal: AbortSignal;
}

export interface RunnerRoute {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** "/internal/v1/sessions/{sessionId}/diff" */
  path: string;
  /** Answers by `response`, and resolves when it has. Reads the request's body, if there is one, before it answers. */
  handle(call: RunnerCall): Promise<void>;
}

export interface RequestRouterDeps {
  token: string;
  log: Logger;
  /** Aborted when the runner stops. */
  stopping: AbortSignal;
  requestsMax?: number;
}

export const requestsPrefix = '/internal/v1/';
const requestsMaxDefault = 128;

/** A listener that takes every request below the prefix, and no other. */
export function createRequestRouter(
  routes: readonly RunnerRoute[],
  { token, log, stopping, requestsMax = requestsMaxDefault }: RequestRouterDeps,
): (request: IncomingMessage, response: ServerResponse) => boolean {
  const patterns = routes.map((route) => ({ route, pattern: pathPattern(route.path) }));
  let underway = 0;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!isBearer(request.headers.authorization, token)) {
      throw new WorktrailError('unauthenticated', 'the internal token is missing or wrong');
    }
    const url = new URL(request.url ?? '', 'http://runner');
    const matching = patterns.flatMap(({ route, pattern }) => {
      const found = pattern.exec(url.pathname);
      return found ? [{ route, params: decoded(found.groups ?? {}) }] : [];
    });
    const match = matching.find(({ route }) => route.method === request.method);
    if (!match) {
      if (matching.length > 0) throw new WorktrailError('method_not_allowed', `not ${request.method}`);
      throw new WorktrailError('not_found', `the runner has no ${url.pathname}`);
    }
    if (underway >= requestsMax)
      throw new WorktrailError('rate_limited', `${requestsMax} requests are answered already`);
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const signal = AbortSignal.any([gone.signal, stopping]);
    underway += 1;
    try {
      await match.route.handle({ params: match.params, query: url.searchParams, request, response, signal });
    } finally {
      underway -= 1;
    }
  }

  return (request, response) => {
    if (!request.url?.startsWith(requestsPrefix)) return false;
    answer(request, response).catch((error: unknown) => {
      const { method, url } = request;
      if (response.headersSent) {
        if (!response.writableFinished) log.warn({ err: error, method, url }, 'an answer could not be finished');
        response.destroy();
        return;
      }
      const { code, message } = requestError(error);
      if (code === 'internal') log.error({ err: error, method, url }, 'a request failed');
      // What is left of the request's body is not waited for.
      response.setHeader('connection', 'close');
      answerJson(response, errorKinds[code].status, { code, detail: message });
    });
    return true;
  };
}

export function answerJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
}

/** @throws body_too_large, malformed_request */
export async function readJson(request: IncomingMessage, bytesMax = 1_048_576): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new WorktrailError('body_too_large', `the body has more than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch (error) {
    throw new WorktrailError('malformed_request', 'the body is not JSON', { cause: error });
  }
}

function pathPattern(path: string): RegExp {
  return new RegExp(`^${path.replaceAll('.', '\\.').replace(/\{(\w+)\}/g, '(?<$1>[^/]+)')}$`);
}

function decoded(groups: Record<string, string>): Record<string, string> {
  try {
    return Object.fromEntries(Object.entries(groups).map(([name, value]) => [name, decodeURIComponent(value)]));
  } catch {
    throw new WorktrailError('malformed_request', 'the address is not UTF-8');
  }
}
