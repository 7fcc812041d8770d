// ClickHouse, in process or as a server, behind one small interface. Only this service opens it.
//
// 1. Statements of one connection run one after the other (in process); so the writer has its own and readers share a few.
// 2. Settings are never passed beside a statement: in process they would stick to the connection. They stand inline.
// 3. Two processes never have one embedded directory: the engine locks it, and the second is told so.

import { type ClickHouseClient, createClient } from '@clickhouse/client';
import type { Lifetime } from '@worktrail/runtime/lifetime';
import { createChdbConnection } from 'chdb/connection';
import type { ClickHouseConfig } from './config.ts';

export interface ClickHouseReader {
  /** Rows of one SELECT. Values come as parameters: `{name:Type}`. */
  rows<Row>(sql: string, parameters?: Record<string, unknown>): Promise<Row[]>;
}

export interface ClickHouse extends ClickHouseReader {
  /** DDL, and statements without an answer. */
  command(sql: string): Promise<void>;
  /** Rows as one block, in the order of `columns`. Resolves when they are stored. */
  insert(table: string, columns: readonly [string, ...string[]], rows: readonly object[]): Promise<void>;
  /** A connection of its own for statements that come from outside. */
  confined: ClickHouseReader & { raw(sql: string): Promise<string> };
}

const readerConnections = 3;

export async function openClickHouse(config: ClickHouseConfig, lifetime: Lifetime): Promise<ClickHouse> {
  const connect = (name: string): ClickHouseClient => {
    const client = openClient(config);
    lifetime.onClose(`clickhouse ${name}`, () => client.close());
    return client;
  };
  const writer = connect('writer');
  const readers = Array.from({ length: readerConnections }, (_, index) => connect(`reader ${index}`));
  const confined = connect('confined');
  let turn = 0;
  return {
    rows: (sql, parameters) => selectRows(readers[turn++ % readers.length]!, sql, parameters),
    command: async (sql) => {
      await writer.command({ query: sql });
    },
    insert: async (table, columns, rows) => {
      if (rows.length === 0) return;
      await writer.insert({
        table,
        columns: columns as [string, ...string[]],
        values: rows as object[],
        format: 'JSONEachRow',
      });
    },
    confined: {
      rows: (sql, parameters) => selectRows(confined, sql, parameters),
      raw: async (sql) => (await confined.query({ query: sql, format: 'JSON' })).text(),
    },
  };
}

function openClient(config: ClickHouseConfig): ClickHouseClient {
  if (config.kind === 'server') {
    const { url, database, user: username, password } = config;
    return createClient({ url, database, username, password, request_timeout: 30_000 });
  }
  try {
    return createClient({ connection: createChdbConnection({ path: config.path }) as never });
  } catch (error) {
    throw new Error(
      `cannot open the ClickHouse directory ${config.path}: another trace-store may be running on it (one process, one directory), ` +
        'or it is not writable',
      { cause: error },
    );
  }
}

async function selectRows<Row>(
  client: ClickHouseClient,
  sql: string,
  parameters: Record<string, unknown> = {},
): Promise<Row[]> {
  const result = await client.query({ query: sql, format: 'JSONEachRow', query_params: parameters });
  return result.json<Row>();
}
