// ClickHouse, in process or as a server, behind one small interface. Only this service opens it.
//
// 1. A connection runs one statement at a time, and one on which a statement failed is not used again.
// 2. Settings are never passed beside a statement: in process they would stick to the connection. They stand inline.
// 3. Two processes never have one embedded directory: the engine locks it, and the second is told so.
// 4. A statement from outside gets a connection of its own that cannot write to tables, and that nobody uses after it.

import { Readable } from 'node:stream';
import { type ClickHouseClient, type ClickHouseSettings, createClient } from '@clickhouse/client';
import type { Lifetime } from '@worktrail/runtime/lifetime';
import { createChdbConnection } from 'chdb/connection';
import type { ClickHouseConfig } from './config.ts';
import { createConnectionPool } from './connection-pool.ts';
import { type Cell, tabSeparated } from './row-bytes.ts';

export interface ClickHouseReader {
  /** Rows of one SELECT. Values come as parameters: `{name:Type}`. */
  rows<Row>(sql: string, parameters?: Record<string, unknown>): Promise<Row[]>;
  /** The same as RowBinary: for what holds many bytes. The statement has no FORMAT and may end with SETTINGS. */
  bytes(sql: string, parameters?: Record<string, unknown>): Promise<Buffer>;
}

export interface ClickHouse extends ClickHouseReader {
  /** DDL, and statements without an answer. */
  command(sql: string): Promise<void>;
  /** Rows as one block, in the order of `columns`. Resolves when they are stored. */
  insert(table: string, columns: readonly [string, ...string[]], rows: readonly object[]): Promise<void>;
  /** The same for rows that are mostly bytes. */
  insertCells(table: string, columns: readonly string[], rows: readonly (readonly Cell[])[]): Promise<void>;
  /** For statements that come from outside. The bounds hold for everything on the connection, the analysis of a statement too. */
  confined<T>(bounds: StatementBounds, work: (connection: ConfinedConnection) => Promise<T>): Promise<T>;
}

export interface StatementBounds {
  seconds: number;
  memoryBytes: number;
  threads: number;
}

export interface ConfinedConnection {
  /** One statement that names its own FORMAT; its answer as text. */
  text(sql: string): Promise<string>;
}

const writersMax = 2;
const readersMax = 3;
const readsWaitingMax = 1_000;
const confinedMax = 2;
const confinedWaitingMax = 16;

export async function openClickHouse(config: ClickHouseConfig, lifetime: Lifetime): Promise<ClickHouse> {
  const open = () => openConnection(config);
  const writers = createConnectionPool(open, writersMax, readsWaitingMax);
  lifetime.onClose('clickhouse writers', () => writers.close());
  const readers = createConnectionPool(open, readersMax, readsWaitingMax);
  lifetime.onClose('clickhouse readers', () => readers.close());
  const confined = createConnectionPool(() => ({ close: async () => {} }), confinedMax, confinedWaitingMax);
  return {
    rows: (sql, parameters) => readers.use(({ client }) => selectRows(client, sql, parameters)),
    bytes: (sql, parameters) => readers.use(({ client }) => selectBytes(client, sql, parameters)),
    command: async (sql) => {
      await writers.use(({ client }) => client.command({ query: sql }));
    },
    insert: async (table, columns, rows) => {
      if (rows.length === 0) return;
      const [first, ...others] = columns;
      const insertion = { table, columns: [first, ...others], values: rows, format: 'JSONEachRow' } as const;
      await writers.use(({ client }) => client.insert(insertion as never));
    },
    insertCells: async (table, columns, rows) => {
      if (rows.length === 0) return;
      await writers.use((connection) => connection.insertLines(table, columns, tabSeparated(rows)));
    },
    confined: (bounds, work) => confined.use(() => withReadOnlyClient(config, bounds, work)),
  };
}

async function withReadOnlyClient<T>(
  config: ClickHouseConfig,
  { seconds, memoryBytes, threads }: StatementBounds,
  work: (connection: ConfinedConnection) => Promise<T>,
): Promise<T> {
  const settings = {
    max_execution_time: seconds,
    max_memory_usage: String(memoryBytes),
    max_threads: threads,
    readonly: '2',
  } as const;
  const { client, close } = openConnection(config, settings);
  try {
    // In process a setting belongs to the connection; a server takes it with each statement.
    if (config.kind === 'embedded') {
      const assignments = Object.entries(settings).map(([name, value]) => `${name} = ${value}`);
      await client.command({ query: `SET ${assignments.join(', ')}` });
    }
    return await work({ text: (sql) => statementText(client, sql) });
  } finally {
    await close();
  }
}

async function statementText(client: ClickHouseClient, sql: string): Promise<string> {
  return (await answerOf(client, sql)).toString('utf8');
}

async function answerOf(
  client: ClickHouseClient,
  query: string,
  query_params: Record<string, unknown> = {},
): Promise<Buffer> {
  const { stream } = await client.exec({ query, query_params });
  const parts: Buffer[] = [];
  for await (const part of stream as AsyncIterable<Buffer>) parts.push(part);
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}

async function selectBytes(
  client: ClickHouseClient,
  sql: string,
  parameters?: Record<string, unknown>,
): Promise<Buffer> {
  return await answerOf(client, `${sql}\nFORMAT RowBinary`, parameters);
}

interface Connection {
  client: ClickHouseClient;
  /** TabSeparated. */
  insertLines(table: string, columns: readonly string[], lines: Buffer): Promise<void>;
  close(): Promise<void>;
}

function openConnection(config: ClickHouseConfig, serverSettings: ClickHouseSettings = {}): Connection {
  return config.kind === 'server' ? openServer(config, serverSettings) : openEmbedded(config.path);
}

function openServer(
  { url, database, user: username, password }: ClickHouseConfig & { kind: 'server' },
  clickhouse_settings: ClickHouseSettings,
): Connection {
  const client = createClient({ url, database, username, password, request_timeout: 30_000, clickhouse_settings });
  return {
    client,
    insertLines: async (table, columns, lines) => {
      const values = Readable.from([lines], { objectMode: false });
      const [first, ...others] = columns as [string, ...string[]];
      await client.insert({ table, columns: [first, ...others], values, format: 'TabSeparated' });
    },
    close: () => client.close(),
  };
}

function openEmbedded(path: string): Connection {
  try {
    const connection = createChdbConnection({ path });
    const client = createClient({ connection: connection as never });
    return {
      client,
      // Past the client, which would make a string of the bytes.
      insertLines: async (table, columns, values) => {
        await connection.chdb.rawInsert({ table, columns: [...columns], values, format: 'TabSeparated' });
      },
      close: () => client.close(),
    };
  } catch (error) {
    throw new Error(
      `cannot open the ClickHouse directory ${path}: another trace-store may be running on it (one process, one directory), ` +
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
