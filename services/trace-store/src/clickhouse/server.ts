// A connection to a ClickHouse server, by HTTP.

import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type ClickHouseSettings, createClient } from '@clickhouse/client';
import type { ClickHouseConfig } from '../config.ts';
import { type Connection, insertStatement } from './connection.ts';

/** The settings go with each statement. A path in the address stands before all that is asked for: the client would take it for a database. */
export function openServer(
  { url, database, user: username, password }: ClickHouseConfig & { kind: 'server' },
  clickhouse_settings: ClickHouseSettings,
  request_timeout = 30_000,
): Connection {
  const { origin, pathname } = new URL(url);
  const behind = pathname === '/' ? {} : { pathname };
  const client = createClient({
    url: origin,
    ...behind,
    database,
    username,
    password,
    request_timeout,
    clickhouse_settings,
  });
  const stream: Connection['stream'] = async (sql, format) =>
    (await client.exec({ query: `${sql} FORMAT ${format}` })).stream as AsyncIterable<Uint8Array>;
  return {
    client,
    stream,
    insertBinary: async (table, { columns, rows }, token) => {
      const values = Readable.from([rows], { objectMode: false });
      const { stream } = await client.exec({ query: insertStatement(table, columns, { token }), values });
      for await (const _ of stream);
    },
    writeFile: async (sql, format, path) =>
      await pipeline(await stream(sql, format), createWriteStream(path, { flags: 'wx', mode: 0o600 })),
    close: () => client.close(),
  };
}
