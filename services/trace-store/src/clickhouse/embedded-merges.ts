// How parts are merged where this process alone stores.

import type { ClickHouse } from './store.ts';

/**
 * No row is there twice, so none is dropped by a merge, and what a projection has of the parts is merged as it stands. Else it is made anew,
 * a million rows of it in memory at a time: as much as the engine has for everything. (On a server two may store for a moment, as a lease is
 * lost, and there it is made anew.) Not while rows are there that are only marked as deleted: a projection still has those. After the schema;
 * again, it changes nothing.
 */
export async function setEmbeddedMerges(clickhouse: Pick<ClickHouse, 'command' | 'rows'>): Promise<void> {
  const marked = await clickhouse.rows(
    `SELECT 1 FROM system.parts
     WHERE database = currentDatabase() AND table = 'events_v1' AND active AND has_lightweight_delete LIMIT 1`,
  );
  const mode = marked.length > 0 ? 'rebuild' : 'ignore';
  await clickhouse.command(`ALTER TABLE events_v1 MODIFY SETTING deduplicate_merge_projection_mode = '${mode}'`);
}
