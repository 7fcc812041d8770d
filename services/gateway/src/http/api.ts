// How every route of /v1 is answered: who asks, may they, what do they say, then the handler; and its entry in the OpenAPI document.
//
// 1. Order: key, scope, path, query, body, idempotency, handler. A path id that is malformed is 404; a wrong query or body is 422.
// 2. Every answer carries X-Request-Id; every error is rendered by `problemResponse`.
// 3. A path that exists under another method is 405 with Allow.

import { createHash } from 'node:crypto';
import { OpenAPIHono, type RouteConfig, z } from '@hono/zod-openapi';
import { WorktrailError } from '@worktrail/contract/errors';
import { limits } from '@worktrail/contract/limits';
import type { Logger } from '@worktrail/runtime/log';
import type { Context } from 'hono';
import { type Action, authorize, type Principal, sufficientScopes } from '../authorize.ts';
import { createDraw, type Draw, newSeed } from '../draw.ts';
import type { Idempotency } from '../idempotency.ts';
import { invalid, notFound, Problem, problemResponse } from '../problem.ts';
import { parseBody, parseWith, readBody } from './body.ts';
import type { HttpMetrics } from './http-metrics.ts';
import type { Reply } from './reply.ts';
import { requestIdOf } from './request-id.ts';

export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

export interface RouteSpec<Params extends z.ZodType, Query extends z.ZodType, Body extends z.ZodType> {
  method: Method;
  /** "/v1/projects/{projectId}" */
  path: string;
  /** The last parameter of the path takes slashes too. */
  takesSlashes?: true;
  tag: string;
  summary: string;
  /** What the key must allow; 'operator': the operator's token instead of a key. */
  action: Action | 'operator';
  /** The operator's token will do as well as such a key. */
  orOperator?: true;
  /** For programs that only know user names and passwords: the key is taken as the password too, with any user name. */
  orPassword?: true;
  params?: Params;
  query?: Query;
  body?: Body;
  /** What is told of headers that it heeds, by their names; of the key of a POST and the ETag of a PATCH it is told anyway. */
  heeds?: Readonly<Record<string, string>>;
  /** Takes the body as it is, up to so many bytes, instead of JSON. */
  rawBodyBytesMax?: number;
  answers: Record<number, Answer>;
  /** As every POST does, it honours an idempotency key. */
  takesKey?: true;
  /** Its answers are not kept: it is told of a retry and answers anew. */
  keepsNoAnswer?: boolean;
}

export interface Answer {
  description: string;
  /** Of its JSON. */
  schema?: z.ZodType;
  /** Other than JSON, or beside it. */
  contentTypes?: readonly string[];
}

export interface ApiRequest<Params, Query, Body> {
  principal: Principal;
  params: Params;
  query: Query;
  body: Body;
  rawBody: Uint8Array;
  headers: Headers;
  /** Aborted when the client has gone. */
  signal: AbortSignal;
  requestId: string;
  draw: Draw;
  /** An earlier request with the same idempotency key began this. */
  retried: boolean;
}

export interface Gate {
  authenticate(authorization: string | null): Promise<Principal>;
  authenticateOperator(authorization: string | null): Principal;
  isOperator(authorization: string | null): boolean;
}

export interface ApiDeps {
  gate: Gate;
  idempotency: Idempotency;
  metrics: HttpMetrics;
  log: Logger;
}

export interface Api {
  readonly app: OpenAPIHono;
  route<Params extends z.ZodType, Query extends z.ZodType, Body extends z.ZodType>(
    spec: RouteSpec<Params, Query, Body>,
    handler: (request: ApiRequest<z.output<Params>, z.output<Query>, z.output<Body>>) => Promise<Reply>,
  ): void;
}

type AnySpec = RouteSpec<z.ZodType, z.ZodType, z.ZodType>;
type AnyHandler = (request: ApiRequest<unknown, unknown, unknown>) => Promise<Reply>;

export function createApi(deps: ApiDeps): Api {
  const app = new OpenAPIHono();
  const paths: { method: string; pattern: RegExp }[] = [];
  app.notFound((context) => unmatched(context, paths));
  app.onError((error, context) => failed(deps.log, error, requestIdOf(context.req.raw.headers)));
  return {
    app,
    route(spec, handler) {
      app.openAPIRegistry.registerPath(openApiRoute(spec as unknown as AnySpec));
      paths.push({ method: spec.method.toUpperCase(), pattern: pathPattern(spec) });
      app.on(spec.method.toUpperCase(), routerPath(spec), (context) =>
        answer(deps, spec as unknown as AnySpec, handler as unknown as AnyHandler, context),
      );
    },
  };
}

async function answer(deps: ApiDeps, spec: AnySpec, handler: AnyHandler, context: Context): Promise<Response> {
  const started = performance.now();
  const requestId = requestIdOf(context.req.raw.headers);
  let response: Response;
  try {
    const reply = await handle(deps, spec, handler, context, requestId);
    // The framework leaves out the body of an answer to HEAD without telling what produces it.
    const isDropped = context.req.raw.method === 'HEAD' && reply.body instanceof ReadableStream;
    if (isDropped) await (reply.body as ReadableStream).cancel();
    response = toResponse(isDropped ? { ...reply, body: null } : reply, requestId);
  } catch (error) {
    response = failed(deps.log, error, requestId);
    if (spec.orPassword && isGit(context.req.raw.headers)) response = await inPlainText(response);
  }
  deps.metrics.observe(spec.method, spec.path, response.status, performance.now() - started);
  return response;
}

async function handle(
  deps: ApiDeps,
  spec: AnySpec,
  handler: AnyHandler,
  context: Context,
  requestId: string,
): Promise<Reply> {
  const { headers } = context.req.raw;
  const principal = spec.orPassword
    ? await admitByPassword(deps.gate, spec, headers.get('authorization'))
    : await admit(deps.gate, spec, headers.get('authorization'));
  const params = parseParams(spec, context);
  const query = spec.query ? parseWith(spec.query, withoutEmpty(context.req.query())) : {};
  const rawBody = await rawBodyOf(spec, context.req.raw);
  const body = spec.body ? parseBody(spec.body, rawBody) : undefined;
  const request = { principal, params, query, body, rawBody, headers, signal: context.req.raw.signal, requestId };
  const key = takesKey(spec) ? headers.get('idempotency-key') : null;
  if (key === null) return await handler({ ...request, draw: createDraw(newSeed(), Date.now()), retried: false });
  return await deps.idempotency.run(
    {
      scope: [principal.organizationId, principal.id, ...(spec.takesKey ? [spec.method] : []), context.req.path].join(
        ' ',
      ),
      key: idempotencyKey(key),
      bodyHash: createHash('sha256').update(rawBody).digest('hex'),
      keepsAnswer: spec.keepsNoAnswer !== true,
    },
    (draw, retried) => handler({ ...request, draw, retried }),
  );
}

async function admit(
  gate: Gate,
  { action, orOperator }: Pick<AnySpec, 'action' | 'orOperator'>,
  authorization: string | null,
): Promise<Principal> {
  if (action === 'operator' || (orOperator && gate.isOperator(authorization)))
    return gate.authenticateOperator(authorization);
  const principal = await gate.authenticate(authorization);
  authorize(principal, action, principal);
  return principal;
}

/** A refusal asks for a password: without that no such program sends one. */
async function admitByPassword(gate: Gate, spec: AnySpec, authorization: string | null): Promise<Principal> {
  try {
    return await admit(gate, spec, keyInPassword(authorization));
  } catch (error) {
    if (!(error instanceof WorktrailError && error.code === 'unauthenticated')) throw error;
    throw new Problem(error.code, error.message, { headers: { 'www-authenticate': 'Basic realm="worktrail"' } });
  }
}

/** `Basic base64(anything:key)` as `Bearer key`; everything else as it is. */
function keyInPassword(authorization: string | null): string | null {
  const encoded = /^basic ([A-Za-z0-9+/=]+)$/i.exec(authorization ?? '')?.[1];
  if (encoded === undefined) return authorization;
  const shown = Buffer.from(encoded, 'base64').toString('latin1');
  const password = /^[^:]*:(.*)$/s.exec(shown)?.[1];
  return password === undefined ? authorization : `Bearer ${password}`;
}

function parseParams(spec: AnySpec, context: Context): unknown {
  if (!spec.params) return {};
  if (spec.takesSlashes) requireDecodable(context.req.raw.url);
  const result = spec.params.safeParse(context.req.param());
  if (!result.success) throw notFound(context.req.path);
  return result.data;
}

/** The router leaves as it is what cannot be decoded: it would be taken for a name with percent signs. */
function requireDecodable(url: string): void {
  try {
    decodeURIComponent(new URL(url).pathname);
  } catch (error) {
    const message = 'must be UTF-8, percent-encoded where it is not ASCII, and "%" as "%25"';
    throw Object.assign(invalid({ path: 'path', message }), { cause: error });
  }
}

/** `?state=` says as little as no state at all. */
function withoutEmpty(query: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(query).filter(([, value]) => value !== ''));
}

async function rawBodyOf(spec: AnySpec, request: Request): Promise<Uint8Array> {
  if (spec.rawBodyBytesMax !== undefined) return await readBody(request, spec.rawBodyBytesMax);
  if (spec.body || spec.method === 'post') return await readBody(request, limits.jsonBodyBytesMax);
  return new Uint8Array();
}

function takesKey({ method, takesKey: does }: Pick<AnySpec, 'method' | 'takesKey'>): boolean {
  return method === 'post' || does === true;
}

function idempotencyKey(key: string): string {
  if (/^[\x21-\x7e][\x20-\x7e]{0,254}$/.test(key)) return key;
  throw invalid({ path: 'Idempotency-Key', message: 'must be 1 to 255 printable ASCII characters' });
}

function toResponse(reply: Reply, requestId: string): Response {
  return new Response(reply.body, {
    status: reply.status,
    headers: { 'cache-control': 'no-store', 'x-request-id': requestId, ...reply.headers },
  });
}

function failed(log: Logger, error: unknown, requestId: string): Response {
  const response = problemResponse(error, requestId);
  if (!(error instanceof WorktrailError)) log.error({ err: error, requestId }, 'unexpected error');
  else if (response.status === 503) log.warn({ reason: error.message, requestId }, 'a part does not answer');
  return response;
}

/** It shows what is said in plain text, and of everything else the status alone. */
function isGit(headers: Headers): boolean {
  return /^git\//i.test(headers.get('user-agent') ?? '');
}

async function inPlainText(problem: Response): Promise<Response> {
  const { status, headers } = problem;
  const { detail } = (await problem.json()) as { detail: string };
  headers.set('content-type', 'text/plain; charset=utf-8');
  return new Response(`${detail}\n`, { status, headers });
}

function unmatched(context: Context, paths: readonly { method: string; pattern: RegExp }[]): Response {
  const requestId = requestIdOf(context.req.raw.headers);
  const allowed = paths.filter(({ pattern }) => pattern.test(context.req.path)).map(({ method }) => method);
  if (allowed.length === 0) return problemResponse(notFound(`${context.req.method} ${context.req.path}`), requestId);
  const allow = [...new Set(allowed)].join(', ');
  const detail = `${context.req.method} is not possible here; ${allow} is`;
  return problemResponse(new Problem('method_not_allowed', detail, { headers: { allow } }), requestId);
}

function routerPath({ path, takesSlashes }: Pick<AnySpec, 'path' | 'takesSlashes'>): string {
  const named = path.replace(/\{(\w+)\}/g, ':$1');
  return takesSlashes ? `${named}{[\\s\\S]+}` : named;
}

function pathPattern({ path, takesSlashes }: Pick<AnySpec, 'path' | 'takesSlashes'>): RegExp {
  const pattern = path.replaceAll('.', '\\.').replace(/\{\w+\}/g, '[^/]+');
  return new RegExp(`^${takesSlashes ? pattern.replace(/\[\^\/\]\+$/, '[\\s\\S]+') : pattern}$`);
}

function openApiRoute(spec: AnySpec): RouteConfig {
  const scopes = spec.action === 'operator' ? [] : sufficientScopes(spec.action);
  return {
    method: spec.method,
    path: spec.path,
    tags: [spec.tag],
    summary: spec.summary,
    ...(scopes.length > 0 && { description: `Needs the scope ${scopes.map((scope) => `\`${scope}\``).join(' or ')}.` }),
    security: [
      ...(spec.action === 'operator' ? [] : [{ apiKey: [] }]),
      ...(spec.orPassword ? [{ password: [] }] : []),
      ...(spec.action === 'operator' || spec.orOperator ? [{ operatorToken: [] }] : []),
    ],
    request: {
      ...(spec.params && { params: spec.params as never }),
      ...(spec.query && { query: spec.query as never }),
      ...headerParameters(spec),
      ...requestBody(spec),
    },
    responses: {
      ...Object.fromEntries(Object.entries(spec.answers).map(([status, item]) => [status, openApiAnswer(item)])),
      default: { $ref: '#/components/responses/Problem' } as never,
    },
  };
}

function headerParameters(spec: AnySpec): { headers?: z.ZodObject } {
  const keyed =
    'For 24 hours: the same key and body get the answer of the first time, or join what is under way; another body is 422.';
  const seen = 'The ETag that was seen: 412 where it is another by now.';
  const told = Object.entries({
    ...(takesKey(spec) && { 'Idempotency-Key': keyed }),
    ...(spec.method === 'patch' && { 'If-Match': seen }),
    ...spec.heeds,
  });
  const parameter = (description: string) => z.string().optional().openapi({ description });
  if (told.length === 0) return {};
  return { headers: z.object(Object.fromEntries(told.map(([name, description]) => [name, parameter(description)]))) };
}

function requestBody(spec: AnySpec): { body?: { content: Record<string, { schema: z.ZodType }>; required: boolean } } {
  if (spec.body) return { body: { content: { 'application/json': { schema: spec.body } }, required: true } };
  if (spec.rawBodyBytesMax === undefined) return {};
  const binary = { type: 'string', format: 'binary' } as never;
  return { body: { content: { 'application/octet-stream': { schema: binary } }, required: true } };
}

function openApiAnswer(item: Answer) {
  if (!item.schema && !item.contentTypes) return { description: item.description };
  const schema = { type: 'string', format: 'binary' } as never;
  const others = (item.contentTypes ?? []).map((type) => [type, { schema }]);
  const content = {
    ...(item.schema && { 'application/json': { schema: item.schema } }),
    ...Object.fromEntries(others),
  };
  return { description: item.description, content };
}
