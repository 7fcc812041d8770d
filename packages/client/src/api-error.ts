// What can go wrong between a client and the API, as two errors.
//
// WorktrailApiError: the API answered, and refused (problem+json, RFC 9457). `code` comes from a closed list, `retryable` says
// whether the same request can succeed later. WorktrailConnectionError: no answer came; what the API did is not known.

import { type ErrorCode, errorKinds } from '@worktrail/contract/errors';

export interface FieldError {
  path: string;
  message: string;
}

interface Problem {
  status: number;
  code: string;
  title: string;
  detail: string;
  errors: FieldError[];
  requestId: string | null;
  retryAfterSeconds: number | null;
}

export class WorktrailApiError extends Error {
  readonly status: number;
  /** One of the contract's codes; `http_<status>` when something before the API answered (a proxy). */
  readonly code: ErrorCode | `http_${number}`;
  readonly title: string;
  readonly detail: string;
  readonly errors: readonly FieldError[];
  readonly requestId: string | null;
  readonly retryable: boolean;
  readonly retryAfterSeconds: number | null;

  constructor(problem: Problem) {
    super(`${problem.detail || problem.title} (${problem.code})`);
    this.name = 'WorktrailApiError';
    this.status = problem.status;
    this.code = problem.code as ErrorCode;
    this.title = problem.title;
    this.detail = problem.detail;
    this.errors = problem.errors;
    this.requestId = problem.requestId;
    this.retryable = isRetryable(problem);
    this.retryAfterSeconds = problem.retryAfterSeconds;
  }
}

export class WorktrailConnectionError extends Error {
  readonly apiUrl: string;

  constructor(apiUrl: string, why: string, cause?: unknown) {
    super(`${apiUrl} does not answer: ${why}`, { cause });
    this.name = 'WorktrailConnectionError';
    this.apiUrl = apiUrl;
  }
}

function isRetryable(problem: { code: string; status: number }): boolean {
  const kind = (errorKinds as Record<string, { retryable: boolean } | undefined>)[problem.code];
  return kind ? kind.retryable : [429, 502, 503, 504].includes(problem.status);
}

/** The error that a refusing response stands for; whatever its body is. */
export async function apiErrorOf(response: Response): Promise<WorktrailApiError> {
  const body = asRecord(parseJson(await response.text().catch(() => '')));
  const code = stringOf(body['code']) ?? `http_${response.status}`;
  return new WorktrailApiError({
    status: response.status,
    code,
    title: stringOf(body['title']) ?? (response.statusText || `HTTP ${response.status}`),
    detail: stringOf(body['detail']) ?? '',
    errors: fieldErrors(body['errors']),
    requestId: response.headers.get('x-request-id') ?? stringOf(body['instance']),
    retryAfterSeconds: retryAfterSeconds(response.headers.get('retry-after')),
  });
}

/** An answer that is not of this API. */
export function plainError(status: number, detail: string): WorktrailApiError {
  const title = 'The answer could not be read';
  const code = `http_${status}`;
  return new WorktrailApiError({ status, code, title, detail, errors: [], requestId: null, retryAfterSeconds: null });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function stringOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function fieldErrors(value: unknown): FieldError[] {
  if (!Array.isArray(value)) return [];
  return value.map((item) => {
    const record = asRecord(item);
    return { path: stringOf(record['path']) ?? '', message: stringOf(record['message']) ?? '' };
  });
}

/** Retry-After in seconds; the HTTP-date form is not used by this API. */
function retryAfterSeconds(header: string | null): number | null {
  return header !== null && /^\d{1,9}$/.test(header) ? Number(header) : null;
}
