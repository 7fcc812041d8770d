// ClickHouse in this process, copied while it is written to, and made again from that copy. Only below one directory beside its own.

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ClickHouse } from '../clickhouse/store.ts';
import { backupsDirectory } from '../clickhouse/engine.ts';
import { quoteString } from '../clickhouse/sql-text.ts';

export interface BackedUp {
  /** Events before and after: the copy has no fewer and no more. */
  eventsBefore: number;
  eventsAfter: number;
}

export async function backUp(clickhouse: ClickHouse, clickhousePath: string, name: string): Promise<BackedUp> {
  const directory = join(backupsDirectory(clickhousePath), name, 'clickhouse');
  await rm(directory, { recursive: true, force: true });
  const eventsBefore = await countEvents(clickhouse);
  await clickhouse.command(`BACKUP DATABASE default TO File(${quoteString(directory)})`);
  return { eventsBefore, eventsAfter: await countEvents(clickhouse) };
}

/** Into an empty store, before it has a schema. */
export async function restoreFrom(clickhouse: ClickHouse, directory: string): Promise<number> {
  await clickhouse.command(`RESTORE DATABASE default FROM File(${quoteString(directory)})`);
  return await countEvents(clickhouse);
}

async function countEvents(clickhouse: ClickHouse): Promise<number> {
  const [row] = await clickhouse.rows<{ events: string }>('SELECT toString(count()) AS events FROM events_v1');
  return Number(row?.events ?? 0);
}
