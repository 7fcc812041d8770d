// A part of what a project has in a time, as one Parquet file: the rows after a key, as many as a part may have, in the order of their key.
//
// 1. Every row is in one part: the next one begins after the last row of this one, whenever it is asked for. What was stored meanwhile before
//    that row is in none.
// 2. A part is bounded in rows and in bytes before it is made; a row of any size fits alone.

import { Code, ConnectError } from '@connectrpc/connect';
import { statementMemoryBytesMax, type ClickHouse, type ConfinedConnection } from '../clickhouse/store.ts';
import { queryError } from '../query/errors.ts';
import { tableFilters, viewDefinitions } from '../query/views.ts';
import { quoteString, Sql, sql } from '../clickhouse/sql-text.ts';

export interface PartQuestion {
  organizationId: string;
  projectId: string;
  /** The view whose rows these are. */
  of: string;
  from: Date | undefined;
  to: Date | undefined;
  /** '' for the first part; else the `next` of the one before. */
  after: string;
}

export interface Part {
  parquet: Uint8Array<ArrayBuffer>;
  rows: number;
  /** Of its last row; '' where nothing follows it. */
  next: string;
}

interface Dataset {
  key: readonly string[];
  /** About the bytes of a row. */
  size: string;
}

const datasets: Readonly<Record<string, Dataset>> = {
  events: { key: ['session_id', 'epoch', 'sequence', 'fill'], size: 'length(data) + length(text) + 200' },
  command_output: { key: ['session_id', 'command_id', 'position', 'stream'], size: 'size + 100' },
};

/** Of a part, whatever of the two is met first. */
export interface PartBounds {
  rows: number;
  bytes: number;
}

const partBounds: PartBounds = { rows: 50_000, bytes: 16 * 1024 * 1024 };
const bounds = { isOwn: true, seconds: 30, memoryBytes: statementMemoryBytesMax, threads: 2 };

/** @throws ConnectError INVALID_ARGUMENT, RESOURCE_EXHAUSTED */
export async function exportPart(
  clickhouse: Pick<ClickHouse, 'confined'>,
  question: PartQuestion,
  max: PartBounds = partBounds,
): Promise<Part> {
  const dataset = datasets[question.of];
  if (!dataset) throw new ConnectError(`of: is one of ${Object.keys(datasets).join(', ')}`, Code.InvalidArgument);
  const after = question.after === '' ? undefined : keyOf(question.after, dataset);
  try {
    return await clickhouse.confined(bounds, (connection) => readPart(connection, question, dataset, after, max));
  } catch (error) {
    throw queryError(error);
  }
}

type Key = readonly (string | number)[];

async function readPart(
  connection: ConfinedConnection,
  question: PartQuestion,
  { key, size }: Dataset,
  after: Key | undefined,
  max: PartBounds,
): Promise<Part> {
  const columns = new Sql(key.join(', '));
  const database = (await connection.text('SELECT currentDatabase() FORMAT TSVRaw')).trim();
  const settings = new Sql(
    `additional_table_filters = ${tableFilters(database, question.organizationId)}, output_format_json_quote_64bit_integers = 0`,
  );
  const views = new Sql(viewDefinitions(question.organizationId));
  const view = new Sql(question.of);
  const found = conditions(question, key, after);
  const answer = await connection.text(
    sql`WITH ${views} SELECT ${columns}, place, more FROM (
        SELECT ${columns}, row_number() OVER w AS place, sum(weight) OVER w AS total, place < count() OVER () AS more FROM (
          SELECT ${columns}, toUInt64(${new Sql(size)}) AS weight FROM ${view} WHERE ${found} ORDER BY ${columns} LIMIT ${max.rows + 1}
        ) WINDOW w AS (ORDER BY ${columns} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
      ) WHERE place = 1 OR (total <= ${max.bytes} AND place <= ${max.rows}) ORDER BY place DESC LIMIT 1
      FORMAT JSONCompactEachRow SETTINGS ${settings}`.text,
  );
  const row = answer === '' ? undefined : (JSON.parse(answer) as (string | number)[]);
  const last = row?.slice(0, key.length);
  const upTo = last ? sql`(${columns}) <= (${literals(last)})` : new Sql('0');
  const parquet = await connection.bytes(
    sql`WITH ${views} SELECT * FROM ${view} WHERE ${found} AND ${upTo} ORDER BY ${columns}
      FORMAT Parquet SETTINGS ${settings}, output_format_parquet_string_as_string = 1,
        output_format_parquet_compression_method = 'snappy'`.text,
  );
  const isMore = row?.at(-1) === 1;
  return { parquet, rows: Number(row?.at(-2) ?? 0), next: isMore ? tokenOf(last!) : '' };
}

function conditions({ projectId, from, to }: PartQuestion, key: readonly string[], after: Key | undefined): Sql {
  const parts = [
    sql`project_id = ${projectId}`,
    ...(from ? [sql`time >= ${from}`] : []),
    ...(to ? [sql`time < ${to}`] : []),
    // The first column alone is a condition that the order of the table answers.
    ...(after
      ? [sql`${new Sql(key[0]!)} >= ${after[0]!}`, sql`(${new Sql(key.join(', '))}) > (${literals(after)})`]
      : []),
  ];
  return new Sql(parts.map(({ text }) => text).join(' AND '));
}

function literals(key: Key): Sql {
  return new Sql(key.map((value) => (typeof value === 'string' ? quoteString(value) : String(value))).join(', '));
}

function tokenOf(key: Key): string {
  return Buffer.from(JSON.stringify(key)).toString('base64url');
}

function keyOf(token: string, { key }: Dataset): Key {
  try {
    const value: unknown = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'));
    if (Array.isArray(value) && value.length === key.length && value.every(isKeyPart)) return value;
  } catch {
    // Told below.
  }
  throw new ConnectError('after: is not what a part has answered', Code.InvalidArgument);
}

function isKeyPart(value: unknown): value is string | number {
  return typeof value === 'string' ? value.length <= 128 : Number.isSafeInteger(value) && (value as number) >= 0;
}
