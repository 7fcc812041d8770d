// The closed list of error codes: what happened, which HTTP status it has, whether trying again can help.

interface ErrorKind {
  status: number;
  retryable: boolean;
  title: string;
}

export const errorKinds = {
  validation_failed: { status: 422, retryable: false, title: 'The request is not valid' },
  malformed_request: { status: 400, retryable: false, title: 'The request could not be read' },
  cursor_invalid: { status: 400, retryable: false, title: 'The cursor is not one of this feed' },
  cursor_expired: { status: 410, retryable: false, title: 'The cursor is too old to be served' },
  unauthenticated: { status: 401, retryable: false, title: 'The API key is missing or wrong' },
  scope_missing: { status: 403, retryable: false, title: 'The API key lacks a scope' },
  not_found: { status: 404, retryable: false, title: 'There is no such resource' },
  method_not_allowed: { status: 405, retryable: false, title: 'The method is not allowed here' },
  conflict: { status: 409, retryable: false, title: 'The resource is not in a state for this' },
  session_busy: { status: 409, retryable: true, title: 'Something is under way in the session' },
  session_archived: { status: 409, retryable: false, title: 'The session is archived' },
  session_failed: { status: 409, retryable: false, title: 'The session has failed' },
  checkpoint_failed: { status: 503, retryable: true, title: "The session's files could not be stored" },
  command_ended: { status: 409, retryable: false, title: 'The command has ended' },
  command_not_running: { status: 409, retryable: true, title: 'The command is not running yet' },
  author_may_not_approve: { status: 403, retryable: false, title: 'The author may not approve' },
  precondition_failed: { status: 412, retryable: false, title: 'The resource has changed' },
  body_too_large: { status: 413, retryable: false, title: 'The body is over its limit' },
  range_not_satisfiable: { status: 416, retryable: false, title: 'The file ends before this range' },
  headers_too_large: { status: 431, retryable: false, title: 'The address or the headers are over their limit' },
  idempotency_key_reused: { status: 422, retryable: false, title: 'The idempotency key was used with another body' },
  idempotency_in_progress: { status: 409, retryable: true, title: 'The first request with this key is not done yet' },
  repository_not_allowed: { status: 422, retryable: false, title: 'The repository is outside the allowed roots' },
  live_commands_exceeded: { status: 429, retryable: true, title: 'The session has its maximum of live commands' },
  queued_commands_exceeded: { status: 429, retryable: true, title: 'The session has its maximum of queued commands' },
  queued_messages_exceeded: { status: 429, retryable: true, title: 'The session has its maximum of waiting messages' },
  organization_sessions_exceeded: {
    status: 429,
    retryable: true,
    title: 'The organization has its maximum of live sessions',
  },
  project_sessions_exceeded: { status: 429, retryable: true, title: 'The project has its maximum of live sessions' },
  rate_limited: { status: 429, retryable: true, title: 'Too many requests' },
  dependency_unavailable: { status: 503, retryable: true, title: 'A part of the system does not answer' },
  still_running: { status: 503, retryable: true, title: 'It takes longer than a request waits, and goes on' },
  internal: { status: 500, retryable: false, title: 'An unexpected error' },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof errorKinds;

/** Why a session is in state `failed` (`failure.code`). */
export const sessionFailureCodes = [
  'repository_unreachable',
  'repository_not_allowed',
  'repository_unsuitable',
  'base_ref_not_found',
  'image_unavailable',
  'image_unsuitable',
  'packages_failed',
  'setup_failed',
  'network_mode_unsupported',
  'runtime_unavailable',
  'workspace_lost',
  'internal',
] as const;

export type SessionFailureCode = (typeof sessionFailureCodes)[number];

/** An error that knows its code; `status` and retryability follow from it. */
export class WorktrailError extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, detail: string, options?: { cause?: unknown }) {
    super(detail, options);
    this.name = 'WorktrailError';
    this.code = code;
  }
}
