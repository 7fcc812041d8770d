import { ClickHouseError } from '@clickhouse/client';
import { Code } from '@connectrpc/connect';
import { expect, test } from 'vitest';
import { QueryRefused } from './confinement.ts';
import { queryError } from './errors.ts';

const fromClickHouse = (type: string, message = 'because') => new ClickHouseError({ code: '1', type, message });

test.each([
  [new QueryRefused('only SELECT'), Code.InvalidArgument],
  [fromClickHouse('SYNTAX_ERROR'), Code.InvalidArgument],
  [fromClickHouse('UNKNOWN_IDENTIFIER'), Code.InvalidArgument],
  [fromClickHouse('TIMEOUT_EXCEEDED'), Code.ResourceExhausted],
  [fromClickHouse('MEMORY_LIMIT_EXCEEDED'), Code.ResourceExhausted],
  [fromClickHouse('TOO_MANY_ROWS_OR_BYTES'), Code.ResourceExhausted],
  [fromClickHouse('CANNOT_ALLOCATE_MEMORY'), Code.Unavailable],
  [fromClickHouse('NOT_ENOUGH_SPACE'), Code.Unavailable],
  [new Error('too many statements wait for ClickHouse'), Code.Unavailable],
  [new Error('connect ECONNREFUSED'), Code.Unavailable],
])('%s is answered with code %i', (error, code) => {
  expect(queryError(error).code).toBe(code);
});

test('what the statement was turned into is not shown', () => {
  const error = fromClickHouse('UNKNOWN_IDENTIFIER', "Unknown identifier 'x'. In scope WITH events AS (SELECT secret)");
  expect(queryError(error).rawMessage).toBe("Unknown identifier 'x'");
});
