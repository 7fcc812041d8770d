// Whose fault a failed statement is: the asker's, who gets a refusal; its size's; or ours, which may be tried again.

import { Code, ConnectError } from '@connectrpc/connect';
import { QueryRefused } from './query-confinement.ts';

/** ClickHouse's names for too much time, memory or result. */
const exhausted = new Set([
  'TIMEOUT_EXCEEDED',
  'TOO_SLOW',
  'MEMORY_LIMIT_EXCEEDED',
  'TOO_MANY_ROWS',
  'TOO_MANY_BYTES',
  'TOO_MANY_ROWS_OR_BYTES',
  'TOO_LARGE_ARRAY_SIZE',
  'TOO_LARGE_STRING_SIZE',
  'SET_SIZE_LIMIT_EXCEEDED',
  'TOO_DEEP_RECURSION',
  'TOO_BIG_AST',
  'TOO_DEEP_AST',
  'TOO_DEEP_SUBQUERIES',
]);

/** Its names for what no other statement would help against. */
const ours =
  /^(CANNOT_(ALLOCATE|OPEN|CLOSE|READ_FROM|WRITE_TO|SEEK|STAT|MKDIR|FSYNC|SCHEDULE)|NOT_ENOUGH_SPACE|NETWORK_|SOCKET_|ALL_CONNECTION|TOO_MANY_SIMULTANEOUS|KEEPER_|TABLE_IS_READ_ONLY|ABORTED|CORRUPTED_DATA|CHECKSUM_|LOGICAL_ERROR|AUTHENTICATION_FAILED|ACCESS_DENIED)/;

export function queryError(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  const message = withoutStatement(error instanceof Error ? error.message : String(error));
  if (error instanceof QueryRefused) return new ConnectError(message, Code.InvalidArgument);
  const type = clickHouseType(error);
  if (type === undefined || ours.test(type)) return new ConnectError(`ClickHouse: ${message}`, Code.Unavailable);
  return new ConnectError(message, exhausted.has(type) ? Code.ResourceExhausted : Code.InvalidArgument);
}

/** By its shape: the embedded engine's errors are made by its own copy of the client. */
function clickHouseType(error: unknown): string | undefined {
  const isTyped = error instanceof Error && 'type' in error && typeof error.type === 'string';
  return isTyped ? (error.type as string) : undefined;
}

/** ClickHouse shows what it was given: the statement with the views around it. */
function withoutStatement(message: string): string {
  return message.replace(/[:.,]? ?(?:[Ii]n scope|[Ww]hile executing|[Ww]hile processing)[\s\S]*$/, '').trim();
}
