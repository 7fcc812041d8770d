// One connection to ClickHouse, in process or to a server, and the statements on it.

import type { ClickHouseClient } from '@clickhouse/client';

export interface Connection {
  client: ClickHouseClient;
  /** TabSeparated. */
  insertLines(table: string, columns: readonly string[], lines: Buffer, token: string): Promise<void>;
  close(): Promise<void>;
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
