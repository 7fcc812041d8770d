// A connection to ClickHouse in this process, on the directory of its engine.

import { createClient } from '@clickhouse/client';
import { createChdbConnection } from 'chdb/connection';
import { quoteString } from './sql-text.ts';
import { type Connection, insertStatement } from './connection.ts';
import type { RowFiles } from './row-files.ts';

/** Who asks goes first, as with merges (engine.ts): whoever stores has waited already. */
const niceValue = 10;

export function openEmbedded(path: string, files: RowFiles): Connection {
  const connection = createChdbConnection({ path });
  const client = createClient({ connection: connection as never });
  return {
    client,
    insertBinary: (table, { columns, rows }, token) =>
      files.use(rows, async (file) => {
        const from = `FROM INFILE ${quoteString(file)}`;
        await client.command({ query: insertStatement(table, columns, { from, token, niceValue }) });
      }),
    stream: async (sql, format) => pieces(connection.chdb.queryStream(sql, { format })),
    writeFile: async (sql, format, path) => {
      await client.command({ query: `${sql} INTO OUTFILE ${quoteString(path)} FORMAT ${format}` });
    },
    close: () => client.close(),
  };
}

async function* pieces(chunks: AsyncIterable<{ raw(): Uint8Array }>): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) yield chunk.raw();
}
