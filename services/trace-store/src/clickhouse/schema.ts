// Applies schema/NNNN-name.sql to ClickHouse, in order, each once.
//
// 1. A file that was applied never changes: a different content under the same name is refused.
// 2. Every statement can be run again (IF NOT EXISTS): a kill in the middle of a file is made good by the next start.
// 3. What a projection or an index is to have of the rows of before is made in the background, also after a restart: a start does not wait
//    for it (status.ts tells what is left).

import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import type { ClickHouse } from './store.ts';

const directory = new URL('../../schema/', import.meta.url);

/** The names of the files, in their order. */
export async function schemaFiles(): Promise<string[]> {
  return (await readdir(directory)).filter((name) => /^\d{4}-.*\.sql$/.test(name)).sort();
}

export async function applySchema(clickhouse: ClickHouse, names?: readonly string[]): Promise<void> {
  await clickhouse.command(
    'CREATE TABLE IF NOT EXISTS schema_migrations_v1 (name String, sha256 String, applied_at DateTime) ENGINE = MergeTree ORDER BY name',
  );
  const applied = await clickhouse.rows<{ name: string; sha256: string }>(
    'SELECT name, sha256 FROM schema_migrations_v1',
  );
  const hashes = new Map(applied.map((row) => [row.name, row.sha256]));
  for (const name of names ?? (await schemaFiles())) await applyFile(clickhouse, name, hashes.get(name));
}

async function applyFile(clickhouse: ClickHouse, name: string, appliedHash: string | undefined): Promise<void> {
  const text = await readFile(new URL(name, directory), 'utf8');
  const sha256 = createHash('sha256').update(text).digest('hex');
  if (appliedHash === sha256) return;
  if (appliedHash !== undefined) {
    throw new Error(
      `schema/${name} was applied with another content: put the change into a new file with the next number`,
    );
  }
  for (const statement of statements(text)) {
    const stopped = makingOfDropped(statement);
    if (stopped) await clickhouse.command(stopped);
    await clickhouse.command(inBackground(statement));
  }
  await clickhouse.insert(
    'schema_migrations_v1',
    ['name', 'sha256', 'applied_at'],
    [{ name, sha256, applied_at: Math.floor(Date.now() / 1000) }],
  );
}

/** A projection that is still being made in the background cannot be dropped: that is stopped first. */
function makingOfDropped(statement: string): string | undefined {
  const [, table, projection] = /^ALTER TABLE (\w+) DROP PROJECTION (?:IF EXISTS )?(\w+)$/.exec(statement) ?? [];
  if (!projection) return undefined;
  const making = `command LIKE '(MATERIALIZE PROJECTION ${projection})' AND NOT is_done`;
  return `KILL MUTATION WHERE database = currentDatabase() AND table = '${table}' AND ${making} SYNC`;
}

/** This version of ClickHouse waits for a mutation unless it is told not to. */
function inBackground(statement: string): string {
  return /^ALTER TABLE \w+ (MATERIALIZE (PROJECTION|INDEX) |APPLY DELETED MASK)/.test(statement)
    ? `${statement} SETTINGS mutations_sync = 0`
    : statement;
}

/** The statements of a schema file: comment lines dropped, split where a line ends with a semicolon. */
export function statements(text: string): string[] {
  return text
    .split('\n')
    .filter((line) => !line.trimStart().startsWith('--'))
    .join('\n')
    .split(/;\s*(?:\n|$)/)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');
}
