// A connection to ClickHouse in this process, on a directory that no other process has.

import { createClient } from '@clickhouse/client';
import { createChdbConnection } from 'chdb/connection';
import type { Connection } from './connection.ts';

export function openEmbedded(path: string): Connection {
  try {
    const connection = createChdbConnection({ path });
    const client = createClient({ connection: connection as never });
    return {
      client,
      // Past the client, which would make a string of the bytes.
      insertLines: async (table, columns, values, token) => {
        // They stand inline in the statement.
        const settings = { insert_deduplication_token: token };
        await connection.chdb.rawInsert({ table, columns: [...columns], values, format: 'TabSeparated', settings });
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
