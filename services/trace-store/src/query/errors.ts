// Whose fault a failed statement is: the asker's, who gets a refusal; its size's; or ours, which may be tried again.

import { Code, ConnectError } from '@connectrpc/connect';
import { QueryRefused } from './confinement.ts';

/** ClickHouse's names for too much time, memory or result, and ours for the limits. */
const limits: Readonly<Record<string, string>> = {
  TIMEOUT_EXCEEDED: 'query_time',
  TOO_SLOW: 'query_time',
  MEMORY_LIMIT_EXCEEDED: 'query_memory',
  TOO_MANY_ROWS: 'query_rows',
  TOO_MANY_BYTES: 'query_bytes',
  TOO_MANY_ROWS_OR_BYTES: 'query_bytes',
  TOO_LARGE_ARRAY_SIZE: 'query_memory',
  TOO_LARGE_STRING_SIZE: 'query_memory',
  SET_SIZE_LIMIT_EXCEEDED: 'query_memory',
  TOO_DEEP_RECURSION: 'query_size',
  TOO_BIG_AST: 'query_size',
  TOO_DEEP_AST: 'query_size',
  TOO_DEEP_SUBQUERIES: 'query_size',
};

/** Its names for what no other statement would help against. */
const ours =
  /^(CANNOT_(ALLOCATE|OPEN|CLOSE|READ_FROM|WRITE_TO|SEEK|STAT|MKDIR|FSYNC|SCHEDULE)|NOT_ENOUGH_SPACE|NETWORK_|SOCKET_|ALL_CONNECTION|TOO_MANY_SIMULTANEOUS|KEEPER_|TABLE_IS_READ_ONLY|ABORTED|CORRUPTED_DATA|CHECKSUM_|LOGICAL_ERROR|AUTHENTICATION_FAILED|ACCESS_DENIED)/;

/** Where a caller finds, beside the message, what ClickHouse calls it and which limit it is. */
export const errorMetadata = {
  code: 'clickhouse-code',
  name: 'clickhouse-name',
  limit: 'worktrail-limit',
} as const;

export function queryError(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  const { message: shown, type, code } = clickHouseError(error);
  const message = withoutStatement(shown);
  if (error instanceof QueryRefused) return new ConnectError(message, Code.InvalidArgument);
  if (type === undefined || ours.test(type)) return new ConnectError(`ClickHouse: ${message}`, Code.Unavailable);
  const limit = limitOf(error);
  const metadata = {
    ...(code && { [errorMetadata.code]: code }),
    [errorMetadata.name]: type,
    ...(limit && { [errorMetadata.limit]: limit }),
  };
  if (limit) return new ConnectError(`${limit}: ${message}`, Code.ResourceExhausted, metadata);
  return new ConnectError(message, Code.InvalidArgument, metadata);
}

/** The name of the limit that it is over. */
export function limitOf(error: unknown): string | undefined {
  const { type, message } = clickHouseError(error);
  if (type === 'TOO_MANY_ROWS_OR_BYTES' && /max rows/.test(message)) return 'query_rows';
  return type === undefined ? undefined : limits[type];
}

interface ClickHouseFailure {
  message: string;
  type?: string;
  code?: string;
}

/** By its shape: the embedded engine's errors are made by its own copy of the client, and those of a stream are text alone. */
function clickHouseError(error: unknown): ClickHouseFailure {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof Error && 'type' in error && typeof error.type === 'string') {
    const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
    return { message, type: error.type, ...(code && /^\d+$/.test(code) && { code }) };
  }
  const told = /Code: (\d+)\. DB::Exception: ([\s\S]*?)\.? ?\(([A-Z][A-Z0-9_]+)\)\s*$/.exec(message);
  return told ? { message: told[2]!, type: told[3]!, code: told[1]! } : { message };
}

/** ClickHouse shows what it was given: the statement with the views around it. */
function withoutStatement(message: string): string {
  return message.replace(/[:.,]? ?(?:[Ii]n scope|[Ww]hile executing|[Ww]hile processing)[\s\S]*$/, '').trim();
}
