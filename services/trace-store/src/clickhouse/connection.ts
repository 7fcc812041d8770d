// One connection to ClickHouse, in process or to a server, and the statements on it.

import type { ClickHouseClient } from '@clickhouse/client';
import type { BinaryRows } from './row-binary.ts';
import { quoteString } from './sql-text.ts';

export interface Connection {
  client: ClickHouseClient;
  insertBinary(table: string, rows: BinaryRows, token: string): Promise<void>;
  /** The answer as it comes; each piece is a document of the format of its own. */
  stream(sql: string, format: string): Promise<AsyncIterable<Uint8Array>>;
  /** The answer as one document of this format, in a file that is not there yet. */
  writeFile(sql: string, format: string, path: string): Promise<void>;
  close(): Promise<void>;
}

/** Settings stand in the statement: in process they would stick to the connection. */
export function insertStatement(
  table: string,
  columns: readonly string[],
  { from = '', token, niceValue = 0 }: { from?: string; token: string; niceValue?: number },
): string {
  const names = columns.map((column) => `\`${column}\``).join(', ');
  const settings = `insert_deduplication_token = ${quoteString(token)}, optimize_on_insert = 0`;
  const nice = niceValue === 0 ? '' : `, os_threads_nice_value_query = ${niceValue}`;
  return `INSERT INTO ${table} (${names}) ${from} SETTINGS ${settings}${nice} FORMAT RowBinary`;
}

export async function selectRows<Row>(
  { client }: Connection,
  sql: string,
  parameters: Record<string, unknown> = {},
): Promise<Row[]> {
  const result = await client.query({ query: sql, format: 'JSONEachRow', query_params: parameters });
  return result.json<Row>();
}

export async function selectBytes(
  connection: Connection,
  sql: string,
  parameters?: Record<string, unknown>,
): Promise<Buffer> {
  return await answerOf(connection, `${sql}\nFORMAT RowBinary`, parameters);
}

/** The answer of a statement that names its own FORMAT. */
export async function answerOf(
  { client }: Connection,
  query: string,
  query_params: Record<string, unknown> = {},
): Promise<Buffer> {
  const { stream } = await client.exec({ query, query_params });
  const parts: Buffer[] = [];
  for await (const part of stream as AsyncIterable<Buffer>) parts.push(part);
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}
