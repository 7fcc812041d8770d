import { WorktrailApiError, WorktrailConnectionError } from '@worktrail/client';
import { expect, test } from 'vitest';
import {
  CliError,
  type CommandEnd,
  exitCodeOfCommand,
  exitCodeOfError,
  exitCodeOfTurn,
  UsageError,
} from './exit-codes.ts';

function apiError(status: number, code: string) {
  return new WorktrailApiError({
    status,
    code,
    title: '',
    detail: '',
    errors: [],
    requestId: null,
    retryAfterSeconds: null,
  });
}

test.each([
  [new UsageError('x'), 2],
  [new CliError('x', 4), 4],
  [new CliError('x'), 1],
  [apiError(404, 'not_found'), 3],
  [apiError(410, 'cursor_expired'), 3],
  [apiError(401, 'unauthenticated'), 4],
  [apiError(403, 'scope_missing'), 4],
  [apiError(503, 'dependency_unavailable'), 5],
  [new WorktrailConnectionError('http://x', 'refused'), 5],
  [apiError(422, 'validation_failed'), 1],
  [new TypeError('x'), 1],
])('%s exits with %d', (error, exitCode) => expect(exitCodeOfError(error)).toBe(exitCode));

const end = (outcome: CommandEnd['outcome'], more: Partial<CommandEnd> = {}): CommandEnd => ({
  outcome,
  exitCode: null,
  signal: null,
  ...more,
});

test.each([
  [end('exited', { exitCode: 0 }), 0],
  [end('exited', { exitCode: 255 }), 255],
  [end('signaled', { signal: 'SIGTERM' }), 143],
  [end('signaled', { signal: 'KILL' }), 137],
  [end('signaled', { signal: 'SIGRTMIN+3' }), 128],
  [end('timed_out', { signal: 'SIGTERM' }), 124],
  [end('canceled'), 120],
  [end('oom_killed'), 137],
  [end('output_limit'), 121],
  [end('sandbox_lost'), 122],
  [end('host_lost'), 122],
  [end('failed_to_start'), 123],
  [end(null), 125],
])('run exits as the command ended: %j gives %d', (ended, exitCode) => {
  expect(exitCodeOfCommand(ended)).toBe(exitCode);
});

test.each([
  ['completed', 0],
  ['failed', 110],
  ['canceled', 120],
  ['limit_reached', 121],
] as const)('ask exits as the turn ended: %s gives %d', (outcome, exitCode) => {
  expect(exitCodeOfTurn(outcome)).toBe(exitCode);
});
