// A connection to a ClickHouse server, by HTTP.

import { Readable } from 'node:stream';
import { type ClickHouseSettings, createClient } from '@clickhouse/client';
import type { ClickHouseConfig } from '../config.ts';
import type { Connection } from './connection.ts';

/** A statement that runs long, as one that copies a table, is heard of meanwhile. */
const alive: ClickHouseSettings = { send_progress_in_http_headers: 1, http_headers_progress_interval_ms: '10000' };

/** The settings go with each statement. */
export function openServer(
  { url, database, user: username, password }: ClickHouseConfig & { kind: 'server' },
  clickhouse_settings: ClickHouseSettings,
): Connection {
  const client = createClient({
    ...{ url, database, username, password, request_timeout: 30_000 },
    clickhouse_settings: { ...alive, ...clickhouse_settings },
  });
  return {
    client,
    insertLines: async (table, columns, lines, token) => {
      const values = Readable.from([lines], { objectMode: false });
      const [first, ...others] = columns as [string, ...string[]];
      const settings = { insert_deduplication_token: token };
      await client.insert({
        ...{ table, columns: [first, ...others], values, format: 'TabSeparated' },
        clickhouse_settings: settings,
      });
    },
    close: () => client.close(),
  };
}
