// One SQL statement of a tenant: understood by ClickHouse's own parser, confined, then run within bounds on a connection of its own.
//
// The statement runs over views of one organization, and every physical table is filtered by the organization once more. What cannot
// be shown to stay inside is refused with INVALID_ARGUMENT; what is too much, with RESOURCE_EXHAUSTED and the name of the limit.

import { create } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { type QueryResponse, QueryResponseSchema } from '@worktrail/proto/trace';
import {
  statementMemoryBytesMax,
  type ClickHouse,
  type ConfinedConnection,
  type StatementBounds,
} from '../clickhouse/store.ts';
import { withParameters } from './parameters.ts';
import { queryError } from './errors.ts';
import { canonical, columnsOf, confine, rows } from './statement.ts';

const sqlBytesMax = 64 * 1024;
const resultRowsMax = 10_000;
const resultBytesMax = 16 * 1024 * 1024;
const threadsMax = 2;

export interface Question {
  organizationId: string;
  sql: string;
  parameters: Readonly<Record<string, string>>;
  secondsMax: number;
}

export async function answerQuery(
  clickhouse: Pick<ClickHouse, 'confined'>,
  question: Question,
  signal?: AbortSignal,
): Promise<QueryResponse> {
  checkText(question.sql);
  try {
    return await clickhouse.confined(boundsOf(question), (connection) => answer(connection, question), signal);
  } catch (error) {
    throw queryError(error);
  }
}

/** @throws ConnectError INVALID_ARGUMENT */
export function checkText(sql: string): void {
  if (Buffer.byteLength(sql) > sqlBytesMax) {
    throw new ConnectError(`sql is over ${sqlBytesMax} bytes`, Code.InvalidArgument);
  }
  if (sql.includes('\0')) throw new ConnectError('sql contains a NUL byte', Code.InvalidArgument);
}

export function boundsOf({ secondsMax }: Pick<Question, 'secondsMax'>): StatementBounds {
  return { seconds: secondsMax, memoryBytes: statementMemoryBytesMax, threads: threadsMax };
}

/**
 * Each row is answered as one materialized string: the engine's own bounds on memory and result then count every byte. A constant or
 * repeated column would count once and be written out for each row.
 */
async function answer(connection: ConfinedConnection, question: Question): Promise<QueryResponse> {
  const text = withParameters(await canonical(connection, question.sql), question.parameters);
  const statement = await confine(connection, text, question.organizationId);
  const columns = (await columnsOf(connection, statement)).map(({ name }) => name);
  const settings = [
    statement.settings,
    `limit = ${resultRowsMax + 1}`,
    `max_result_bytes = ${resultBytesMax}`,
    'output_format_json_quote_64bit_integers = 0',
    'output_format_json_named_tuples_as_objects = 0',
    "date_time_output_format = 'iso'",
  ];
  const found = await rows(
    connection,
    statement.select('materialize(toJSONString(tuple(*)))'),
    `SETTINGS ${settings.join(', ')}`,
  );
  const names = columns.map((column) => JSON.stringify(column));
  const objects = found.slice(0, resultRowsMax).map(([row]) => rowObject(names, jsonElements(row as string)));
  return create(QueryResponseSchema, {
    columns,
    rowsJson: `[${objects.join(',')}]`,
    truncated: found.length > resultRowsMax,
  });
}

/** Of texts, of which none is read into a number: it would lose the digits that a double has not. */
function rowObject(names: readonly string[], values: readonly string[]): string {
  return `{${names.map((name, index) => `${name}:${values[index]}`).join(',')}}`;
}

const ofArray = /"(?:[^"\\]|\\.)*"|[[\]{},]/g;

/** The texts of the elements of an array's. */
export function jsonElements(array: string): string[] {
  const elements: string[] = [];
  let [depth, start] = [0, 1];
  for (const { 0: found, index } of array.matchAll(ofArray)) {
    if (found === '[' || found === '{') depth++;
    if (found === ']' || found === '}') depth--;
    const isEnd = depth === 0 || (depth === 1 && found === ',');
    if (!isEnd) continue;
    if (index > start) elements.push(array.slice(start, index));
    start = index + 1;
  }
  return elements;
}
