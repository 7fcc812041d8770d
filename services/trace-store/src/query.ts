// One SQL statement of a tenant: understood by ClickHouse's own parser, confined, then run within bounds on a connection of its own.
//
// The statement runs over views of one organization, and every physical table is filtered by the organization once more. What cannot
// be shown to stay inside is refused with INVALID_ARGUMENT; what is too much, with RESOURCE_EXHAUSTED.

import { create } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { type QueryResponse, QueryResponseSchema } from '@worktrail/proto/trace';
import type { ClickHouse, ConfinedConnection } from './clickhouse/store.ts';
import { checkResolvedTables, checkTokens, checkTree, tokenize } from './query-confinement.ts';
import { queryError } from './query-errors.ts';
import { tableFilters, viewDefinitions, viewNames, viewTables } from './query-views.ts';
import { quoteString } from './sql-text.ts';

/** What ClickHouse puts where a SELECT has no FROM: one row with a zero. */
const noTable = 'system.one';
const sqlBytesMax = 64 * 1024;
const resultRowsMax = 10_000;
const resultBytesMax = 16 * 1024 * 1024;
const memoryBytesMax = 1024 ** 3;
const threadsMax = 2;

export interface Question {
  organizationId: string;
  sql: string;
  secondsMax: number;
}

export async function answerQuery(clickhouse: ClickHouse, question: Question): Promise<QueryResponse> {
  const { sql } = question;
  if (Buffer.byteLength(sql) > sqlBytesMax) {
    throw new ConnectError(`sql is over ${sqlBytesMax} bytes`, Code.InvalidArgument);
  }
  if (sql.includes('\0')) throw new ConnectError('sql contains a NUL byte', Code.InvalidArgument);
  try {
    const bounds = { seconds: question.secondsMax, memoryBytes: memoryBytesMax, threads: threadsMax };
    return await clickhouse.confined(bounds, (connection) => answer(connection, question));
  } catch (error) {
    throw queryError(error);
  }
}

async function answer(connection: ConfinedConnection, question: Question): Promise<QueryResponse> {
  const { organizationId, sql } = question;
  const statement = await confine(connection, sql);
  const database = String((await rows(connection, 'SELECT currentDatabase()'))[0]?.[0]);
  const views = viewDefinitions(organizationId);
  const resolved = await explain(
    connection,
    `EXPLAIN QUERY TREE run_passes = 1 WITH ${views} SELECT * FROM (${statement})`,
  );
  checkResolvedTables(resolved, new Set([noTable, ...viewTables.map((table) => `${database}.${table}`)]));
  const settings = boundedSettings(tableFilters(database, organizationId));
  const empty = await connection.text(
    `WITH ${views} SELECT * FROM (${statement}) LIMIT 0 FORMAT JSONCompact SETTINGS ${settings}`,
  );
  const columns = (JSON.parse(empty) as { meta: { name: string }[] }).meta.map((column) => column.name);
  const found = await rows(
    connection,
    `WITH ${views} SELECT materialize(toJSONString(tuple(*))) FROM (${statement})`,
    `SETTINGS ${settings}`,
  );
  const objects = found.slice(0, resultRowsMax).map(([row]) => rowObject(columns, JSON.parse(row as string)));
  return create(QueryResponseSchema, {
    columns,
    rowsJson: JSON.stringify(objects),
    truncated: found.length > resultRowsMax,
  });
}

/**
 * Each row is answered as one materialized string: the engine's own bounds on memory and result then count every byte. A constant or
 * repeated column would count once and be written out for each row.
 */
function boundedSettings(filters: string): string {
  return [
    `additional_table_filters = ${filters}`,
    `limit = ${resultRowsMax + 1}`,
    `max_result_bytes = ${resultBytesMax}`,
    // Nothing of the statement is computed for a row before the row is known to be the organization's: see viewDefinitions.
    'query_plan_merge_filters = 0',
    "ignore_data_skipping_indices = 'type_index'",
    'enable_lazy_columns_replication = 0',
    'query_plan_remove_redundant_sorting = 0',
    'output_format_json_quote_64bit_integers = 0',
    'output_format_json_named_tuples_as_objects = 0',
    "date_time_output_format = 'iso'",
  ].join(', ');
}

function rowObject(columns: readonly string[], values: readonly unknown[]): Record<string, unknown> {
  return Object.fromEntries(columns.map((column, index) => [column, values[index]]));
}

/** The statement as ClickHouse writes it, once it is known to read nothing but the views. */
async function confine(connection: ConfinedConnection, sql: string): Promise<string> {
  // The statement is a value here, not yet SQL: several statements, or none, are refused by the parser.
  const formatted = await rows(connection, `SELECT formatQuerySingleLine(${quoteString(sql)})`);
  const statement = String(formatted[0]?.[0]);
  const defined = checkTokens(tokenize(statement), viewNames);
  checkTree(await explain(connection, `EXPLAIN AST ${statement}`), new Set([...viewNames, ...defined, noTable]));
  return withoutHints(statement);
}

/** In process ClickHouse looks for hints to its own test runner in all that it is sent: see row-bytes.ts. Braces stand in literals only. */
const withoutHints = (statement: string) => statement.replaceAll('{', '\\x7B');

/** As a subquery EXPLAIN takes no output options: nothing inside it can write a file. */
async function explain(connection: ConfinedConnection, sql: string): Promise<string[]> {
  const found = await rows(connection, `SELECT explain FROM (${sql})`);
  return found.flatMap(([line]) => String(line).split('\n'));
}

async function rows(connection: ConfinedConnection, sql: string, settings = ''): Promise<unknown[][]> {
  return (JSON.parse(await connection.text(`${sql} FORMAT JSONCompact ${settings}`)) as { data: unknown[][] }).data;
}
