// An error as lines for people: what happened, which field, what to do.

import { WorktrailApiError, WorktrailConnectionError } from '@worktrail/client';
import { CliError } from '../exit-codes.ts';
import { cutTo, visible } from './visible-text.ts';

const detailColumnsMax = 1_000;

export function errorLines(error: unknown): string[] {
  if (error instanceof WorktrailApiError) return apiErrorLines(error);
  if (error instanceof WorktrailConnectionError) {
    return [`error: ${visible(error.message)}`, '  → Is the cluster running? Start it with: npm start'];
  }
  const message = error instanceof Error ? error.message : String(error);
  const hint = error instanceof CliError && error.hint ? [`  → ${error.hint}`] : [];
  return [`error: ${visible(message)}`, ...hint];
}

function apiErrorLines(error: WorktrailApiError): string[] {
  const detail = cutTo(visible(error.detail || error.title), detailColumnsMax);
  const lines = [`error: ${detail} (${visible(error.code)})`];
  for (const { path, message } of error.errors) {
    const line = cutTo(`${visible(path) || 'body'}: ${visible(message)}`, detailColumnsMax);
    // A single field is often the whole detail.
    if (line !== detail) lines.push(`  ${line}`);
  }
  const advice = adviceFor(error);
  if (advice) lines.push(`  → ${advice}`);
  if (error.requestId && error.status >= 500) lines.push(`  request ${visible(error.requestId)}`);
  return lines;
}

function adviceFor(error: WorktrailApiError): string | undefined {
  const later = error.retryAfterSeconds === null ? 'Try again.' : `Try again in ${error.retryAfterSeconds} s.`;
  switch (error.code) {
    case 'unauthenticated':
      return 'Check WORKTRAIL_API_KEY, or the apiKey in connection.json of the state directory.';
    case 'scope_missing':
      return 'Use a key that has the scope.';
    case 'not_found':
      return /another organization/.test(error.detail ?? '')
        ? 'Check the id: it must belong to the organization of your key.'
        : undefined;
    case 'cursor_expired':
    case 'cursor_invalid':
      return `Leave ${/^cursor\b/.test(error.detail ?? '') ? '--cursor' : '--after'} out to read from the beginning.`;
    case 'checkpoint_failed':
      return `${later} The session stays as it was; "worktrail status" shows which part is down.`;
    case 'session_busy':
    case 'live_commands_exceeded':
    case 'queued_commands_exceeded':
      return 'Wait for a command of the session to end, or cancel one.';
    case 'session_archived':
    case 'session_failed':
      return 'Create a new session.';
    case 'repository_not_allowed':
      return 'Name its parent in WORKTRAIL_REPOSITORY_ROOTS when starting the cluster, or use a URL.';
    case 'dependency_unavailable':
      return `${later} "worktrail status" shows which part is down.`;
    default:
      return error.retryable ? later : undefined;
  }
}

/** The same for --json. */
export function errorDocument(error: unknown): Record<string, unknown> {
  if (error instanceof WorktrailApiError) {
    const { status, code, title, detail, errors, requestId, retryable, retryAfterSeconds } = error;
    return { error: { status, code, title, detail, errors, requestId, retryable, retryAfterSeconds } };
  }
  const code = error instanceof WorktrailConnectionError ? 'unreachable' : 'failed';
  const detail = error instanceof Error ? error.message : String(error);
  return { error: { code, detail, retryable: error instanceof WorktrailConnectionError } };
}
