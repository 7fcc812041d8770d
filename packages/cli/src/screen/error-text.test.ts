import { WorktrailApiError } from '@worktrail/client';
import { expect, test } from 'vitest';
import { errorLines } from './error-text.ts';

test.each([
  ['cursor: is not the nextCursor of a search', '--cursor'],
  ['after: is not a cursor of this session', '--after'],
])('what to do about "%s" names the option %s', (detail, option) => {
  const problem = {
    status: 400,
    code: 'cursor_invalid',
    title: 'The cursor is not one of this feed',
    detail,
    errors: [],
  };
  const lines = errorLines(new WorktrailApiError({ ...problem, requestId: null, retryAfterSeconds: null } as never));
  expect(lines).toEqual([`error: ${detail} (cursor_invalid)`, `  → Leave ${option} out to read from the beginning.`]);
});
