// A connection to ClickHouse in this process, on a directory that no other process has.

import { createClient } from '@clickhouse/client';
import { Session } from 'chdb';
import { createChdbConnection } from 'chdb/connection';
import { quoteString } from '../sql-text.ts';
import { type Connection, insertStatement } from './connection.ts';
import type { RowFiles } from './row-files.ts';

/** The engine writes copies here and reads them from here, and nowhere else. */
export function backupsDirectory(path: string): string {
  return `${path}-backups`;
}

/** The first connection of a process says what holds for the engine. To be kept as long as any other. */
export function startEngine(path: string): { close(): void } {
  const connectionArgs = [`--backups.allowed_path=${backupsDirectory(path)}`];
  const engine = opening(path, () => new Session(path, { connectionArgs }));
  return { close: () => engine.close() };
}

export function openEmbedded(path: string, files: RowFiles): Connection {
  return opening(path, () => {
    const connection = createChdbConnection({ path });
    const client = createClient({ connection: connection as never });
    return {
      client,
      insertBinary: (table, { columns, rows }, token) =>
        files.use(rows, async (file) => {
          const from = `FROM INFILE ${quoteString(file)}`;
          await client.command({ query: insertStatement(table, columns, from, token) });
        }),
      stream: async (sql, format) => pieces(connection.chdb.queryStream(sql, { format })),
      close: () => client.close(),
    };
  });
}

function opening<T>(path: string, open: () => T): T {
  try {
    return open();
  } catch (error) {
    throw new Error(
      `cannot open the ClickHouse directory ${path}: another trace-store may be running on it (one process, one directory), ` +
        'or it is not writable',
      { cause: error },
    );
  }
}

async function* pieces(chunks: AsyncIterable<{ raw(): Uint8Array }>): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) yield chunk.raw();
}
