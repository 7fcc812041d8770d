// A tenant's statement, confined: what may be run of it, over which views, and under which settings.

import type { ConfinedConnection } from '../clickhouse/store.ts';
import { checkResolvedTables, checkTokens, checkTree, tokenize } from './confinement.ts';
import { tableFilters, viewDefinitions, viewNames, viewTables } from './views.ts';
import { quoteString } from '../clickhouse/sql-text.ts';

/** What ClickHouse puts where a SELECT has no FROM: one row with a zero. */
const noTable = 'system.one';

export interface Statement {
  /** A SELECT of these expressions from the statement's rows. @param columns other names for its columns */
  select(expressions: string, columns?: string): string;
  /** What every run of it needs: `name = value, …`. */
  readonly settings: string;
}

/** Views beside those of the organization, without rows of anybody. */
export interface MoreViews {
  readonly names: readonly string[];
  readonly definitions: readonly string[];
}

/** The statement as ClickHouse writes it: one, without comments. It is a value here: several, or none, are refused by the parser. */
export async function canonical(connection: ConfinedConnection, sql: string): Promise<string> {
  const formatted = await rows(connection, `SELECT hex(formatQuerySingleLine(${quoteString(sql)}))`);
  return textOf(Buffer.from(String(formatted[0]?.[0]), 'hex'));
}

const utf8 =
  /([\x00-\x7f]+|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2})|[\s\S]/g;

/** ClickHouse writes the bytes of a string as they are: one that is no UTF-8 stands by its number, as it may in a literal. */
export function textOf(statement: Buffer): string {
  return statement
    .toString('latin1')
    .replace(utf8, (bytes, whole: string | undefined) =>
      whole === undefined ? `\\x${bytes.charCodeAt(0).toString(16)}` : Buffer.from(whole, 'latin1').toString('utf8'),
    );
}

/** @param text from `canonical` @throws QueryRefused */
export async function confine(
  connection: ConfinedConnection,
  text: string,
  organizationId: string,
  more?: MoreViews,
): Promise<Statement> {
  const names = new Set([...viewNames, ...(more?.names ?? [])]);
  const defined = checkTokens(tokenize(text), names);
  checkTree(await explain(connection, `EXPLAIN AST ${text}`), new Set([...names, ...defined, noTable]));
  const statement = withoutHints(text);
  const database = String((await rows(connection, 'SELECT currentDatabase()'))[0]?.[0]);
  const views = [viewDefinitions(organizationId), ...(more?.definitions ?? [])].join(',\n');
  const resolved = await explain(
    connection,
    `EXPLAIN QUERY TREE run_passes = 1 WITH ${views} SELECT * FROM (${statement})`,
  );
  checkResolvedTables(resolved, new Set([noTable, ...viewTables.map((table) => `${database}.${table}`)]));
  return {
    select: (expressions, columns) =>
      `WITH ${views} SELECT ${expressions} FROM (${statement})${columns ? ` AS rows_of_it (${columns})` : ''}`,
    settings: [
      `additional_table_filters = ${tableFilters(database, organizationId)}`,
      // Nothing of the statement is computed for a row before the row is known to be the organization's: see viewDefinitions.
      'query_plan_merge_filters = 0',
      "ignore_data_skipping_indices = 'type_index'",
      'enable_lazy_columns_replication = 0',
      'query_plan_remove_redundant_sorting = 0',
    ].join(', '),
  };
}

/** In process ClickHouse looks for hints to its own test runner in all that it is sent: see row-bytes.ts. Braces stand in literals only. */
const withoutHints = (statement: string) => statement.replaceAll('{', '\\x7B');

/** As a subquery EXPLAIN takes no output options: nothing inside it can write a file. */
async function explain(connection: ConfinedConnection, sql: string): Promise<string[]> {
  const found = await rows(connection, `SELECT explain FROM (${sql})`);
  return found.flatMap(([line]) => String(line).split('\n'));
}

export async function rows(connection: ConfinedConnection, sql: string, settings = ''): Promise<unknown[][]> {
  return (JSON.parse(await connection.text(`${sql} FORMAT JSONCompact ${settings}`)) as { data: unknown[][] }).data;
}

/** Names and types of what it answers. */
export async function columnsOf(
  connection: ConfinedConnection,
  { select, settings }: Statement,
): Promise<{ name: string; type: string }[]> {
  const empty = await connection.text(`${select('*')} LIMIT 0 FORMAT JSONCompact SETTINGS ${settings}`);
  return (JSON.parse(empty) as { meta: { name: string; type: string }[] }).meta;
}
