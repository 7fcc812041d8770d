// /v1/clickhouse/: ClickHouse's HTTP interface, as its own clients speak it, over the organization's views. Read-only.
//
// 1. The key is the password, with any user name: as Basic, X-ClickHouse-Key or `password=`; or a bearer.
// 2. Errors are ClickHouse's: its text, its code in X-ClickHouse-Exception-Code. One after the first byte ends the connection.
// 3. What is sent compressed is refused; what is answered is not compressed, which every client takes.

import { Code, ConnectError } from '@connectrpc/connect';
import { WorktrailError } from '@worktrail/contract/errors';
import { newId } from '@worktrail/contract/ids';
import { limits } from '@worktrail/contract/limits';
import type { Logger } from '@worktrail/runtime/log';
import type { TraceClient } from '@worktrail/runtime/trace-client';
import type { Context } from 'hono';
import { authorize } from '../authorize.ts';
import type { Api, Gate } from '../http/api.ts';
import { readBody } from '../http/body.ts';
import type { HttpMetrics } from '../http/http-metrics.ts';
import { openAnswer } from '../query/query-answer.ts';
import { ClickHouseRefusal, keyOf, readRequest, refuseRows } from './clickhouse-request.ts';

const path = '/v1/clickhouse/';
const displayName = 'worktrail';

export interface ClickHouseRouteDeps {
  gate: Pick<Gate, 'authenticate'>;
  trace: Pick<TraceClient, 'queryStream'>;
  metrics: HttpMetrics;
  log: Logger;
}

export function addClickHouseRoutes({ app }: Pick<Api, 'app'>, deps: ClickHouseRouteDeps): void {
  const ok = () => new Response('Ok.\n', { headers: { 'content-type': 'text/html; charset=UTF-8' } });
  for (const name of ['ping', 'replicas_status']) app.get(`${path}${name}`, ok);
  app.on(['GET', 'POST'], [path, path.slice(0, -1)], async (context) => {
    const started = performance.now();
    const response = await answer(deps, context);
    deps.metrics.observe(context.req.method, path, response.status, performance.now() - started);
    return response;
  });
}

async function answer({ gate, trace, log }: ClickHouseRouteDeps, context: Context): Promise<Response> {
  const request = context.req.raw;
  const url = new URL(request.url);
  const queryId = url.searchParams.get('query_id')?.replace(/[^\x21-\x7e]/g, '') || newId('event');
  const common = {
    'x-clickhouse-query-id': queryId,
    'x-clickhouse-server-display-name': displayName,
    'x-clickhouse-timezone': 'UTC',
  };
  try {
    const principal = await gate.authenticate(keyOf(request.headers, url.searchParams));
    authorize(principal, 'trace.query', principal);
    refuseRows(url.searchParams);
    const asked = readRequest(request.headers, url.searchParams, await readBody(request, limits.jsonBodyBytesMax));
    const question = { organizationId: principal.organizationId, client: true, ...asked };
    const { format, body } = await openAnswer(trace, question, request.signal);
    const headers = { ...common, 'x-clickhouse-format': format, 'content-type': contentType(format) };
    return new Response(body, { headers: { ...headers, 'x-clickhouse-summary': summary } });
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal.status >= 500) log.warn({ err: error, queryId }, 'a question of a ClickHouse client was not answered');
    const text = `Code: ${refusal.code}. DB::Exception: ${refusal.message.replace(/\.$/, '')}. (${refusal.name})\n`;
    return new Response(text, {
      status: refusal.status,
      headers: {
        ...common,
        'content-type': 'text/plain; charset=UTF-8',
        'x-clickhouse-exception-code': refusal.code,
        ...((refusal.status === 429 || refusal.status === 503) && { 'retry-after': '2' }),
        ...(refusal.status === 401 && { 'www-authenticate': 'Basic realm="worktrail"' }),
      },
    });
  }
}

/** What was read is not counted. */
const summary = JSON.stringify(
  Object.fromEntries(
    [
      'read_rows',
      'read_bytes',
      'written_rows',
      'written_bytes',
      'total_rows_to_read',
      'result_rows',
      'result_bytes',
      'elapsed_ns',
    ].map((name) => [name, '0']),
  ),
);

function contentType(format: string): string {
  if (/^JSON.*EachRow|^JSONEachRow/.test(format)) return 'application/x-ndjson; charset=UTF-8';
  if (format.startsWith('JSON')) return 'application/json; charset=UTF-8';
  if (format.startsWith('CSV')) return 'text/csv; charset=UTF-8';
  if (format.startsWith('TabSeparated')) return 'text/tab-separated-values; charset=UTF-8';
  return 'application/octet-stream';
}

function refusalOf(error: unknown): ClickHouseRefusal {
  if (error instanceof ClickHouseRefusal) return error;
  if (error instanceof ConnectError) {
    const message = error.rawMessage;
    const [code, name] = [error.metadata.get('clickhouse-code'), error.metadata.get('clickhouse-name')];
    if (code && name)
      return new ClickHouseRefusal(error.code === Code.InvalidArgument ? 400 : 500, code, name, message);
    if (error.code === Code.InvalidArgument) return notRead(message);
    if (error.code === Code.ResourceExhausted) return new ClickHouseRefusal(500, '159', 'TIMEOUT_EXCEEDED', message);
    if (error.code === Code.Aborted) return new ClickHouseRefusal(429, '202', 'TOO_MANY_SIMULTANEOUS_QUERIES', message);
    return new ClickHouseRefusal(503, '279', 'ALL_CONNECTION_TRIES_FAILED', 'the trace-store does not answer');
  }
  if (error instanceof WorktrailError) {
    if (error.code === 'unauthenticated')
      return new ClickHouseRefusal(401, '516', 'AUTHENTICATION_FAILED', error.message);
    if (error.code === 'scope_missing') return new ClickHouseRefusal(403, '497', 'ACCESS_DENIED', error.message);
    if (error.code === 'body_too_large') return new ClickHouseRefusal(413, '62', 'SYNTAX_ERROR', error.message);
    return new ClickHouseRefusal(503, '279', 'ALL_CONNECTION_TRIES_FAILED', error.message);
  }
  return new ClickHouseRefusal(500, '1000', 'POCO_EXCEPTION', 'an unexpected error');
}

/** What the trace-store itself refuses: another statement than a SELECT, or something in one. */
function notRead(message: string): ClickHouseRefusal {
  const isWriting = /^(?:only SELECT|a statement begins)/.test(message);
  return isWriting
    ? new ClickHouseRefusal(403, '164', 'READONLY', message)
    : new ClickHouseRefusal(400, '497', 'ACCESS_DENIED', message);
}
