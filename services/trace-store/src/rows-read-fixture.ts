// For tests of what a question costs: how many rows ClickHouse reads for it. Unlike a time, it is the same on every machine.

import type { ClickHouse, ClickHouseReader } from './clickhouse/store.ts';

const bounds = { seconds: 60, memoryBytes: 2 * 1024 ** 3, threads: 2 };

/** Rows read by all statements of a question. Each is asked twice: for its answer, and for what ClickHouse says of it. */
export async function rowsReadBy(
  clickhouse: ClickHouse,
  question: (reader: ClickHouseReader) => Promise<unknown>,
): Promise<number> {
  let rowsRead = 0;
  const count = async (sql: string, parameters: object = {}) => {
    if (Object.keys(parameters).length > 0)
      throw new Error('a statement with parameters waits for others: it has literals');
    const settings = sql.lastIndexOf('SETTINGS');
    const asJson = settings < 0 ? `${sql} FORMAT JSON` : `${sql.slice(0, settings)} FORMAT JSON ${sql.slice(settings)}`;
    const answer = await clickhouse.confined(bounds, (connection) => connection.text(asJson));
    rowsRead += Number(/"rows_read": (\d+)/.exec(answer.slice(answer.lastIndexOf('"statistics"')))![1]);
  };
  await question({
    rows: async (sql, parameters) => {
      await count(sql, parameters);
      return await clickhouse.rows(sql);
    },
    bytes: async (sql, parameters) => {
      await count(sql, parameters);
      return await clickhouse.bytes(sql);
    },
  });
  return rowsRead;
}
