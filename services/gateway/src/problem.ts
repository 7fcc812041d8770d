// Every error answer: application/problem+json (RFC 9457), made in this one place.
//
// 1. A WorktrailError becomes its code's status, title and retryability; anything else is `internal`, its cause only in the log.
// 2. Each carries the request id as `instance`; what can be tried again carries Retry-After.

import { type ErrorCode, errorKinds, WorktrailError } from '@worktrail/contract/errors';

export interface FieldError {
  /** "repository.url"; '' is the body itself. */
  path: string;
  message: string;
}

/** A WorktrailError with what HTTP adds: the fields that are wrong, headers. */
export class Problem extends WorktrailError {
  readonly errors: readonly FieldError[] | undefined;
  readonly headers: Readonly<Record<string, string>>;
  /** Further members of the problem document. */
  readonly members: Readonly<Record<string, unknown>>;
  constructor(
    code: ErrorCode,
    detail: string,
    more: {
      errors?: readonly FieldError[];
      headers?: Record<string, string>;
      members?: Record<string, unknown>;
      cause?: unknown;
    } = {},
  ) {
    super(code, detail, { cause: more.cause });
    this.errors = more.errors;
    this.headers = more.headers ?? {};
    this.members = more.members ?? {};
  }
}

/** 422 that names each field. */
export function invalid(...errors: FieldError[]): Problem {
  const detail = errors.map((error) => (error.path ? `${error.path}: ${error.message}` : error.message)).join('; ');
  return new Problem('validation_failed', detail, { errors });
}

export function notFound(what: string): Problem {
  return new Problem('not_found', `${what} does not exist or belongs to another organization`);
}

export function problemType(code: ErrorCode): string {
  return `https://worktrail.dev/problems/${code.replaceAll('_', '-')}`;
}

export function problemResponse(error: unknown, requestId: string): Response {
  const known =
    error instanceof WorktrailError
      ? error
      : new WorktrailError('internal', 'the request could not be answered; the log of the gateway names the cause');
  const kind = errorKinds[known.code];
  const problem = known instanceof Problem ? known : undefined;
  const document = {
    type: problemType(known.code),
    title: kind.title,
    status: kind.status,
    detail: known.message,
    code: known.code,
    instance: requestId,
    ...(problem?.errors && { errors: problem.errors }),
    ...problem?.members,
  };
  return new Response(JSON.stringify(document), {
    status: kind.status,
    headers: {
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
      'x-request-id': requestId,
      ...(kind.retryable && { 'retry-after': kind.status === 503 ? '2' : '1' }),
      ...(kind.status === 401 && { 'www-authenticate': 'Bearer realm="worktrail"' }),
      ...problem?.headers,
    },
  });
}
