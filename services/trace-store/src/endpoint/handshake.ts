// What ClickHouse's clients ask of a server before they ask of its data: who it is, which tables there are, which settings they may set.
//
// Answered from what is documented (query-views.ts), and from nothing of the server: no table of an engine, no name of a host.

import { functionNames, typeNames } from '../query/functions.ts';
import { type View, views } from '../query/views.ts';
import type { MoreViews } from '../query/statement.ts';
import { quoteString } from '../clickhouse/sql-text.ts';

/** The one database that is shown. */
export const handshakeDatabase = 'worktrail';

/** Of the ClickHouse whose SQL is spoken: clients look at it for what they may ask. */
const version = '26.7.2.1';

/** Without arguments, by lower-case name: what stands there instead. */
export const handshakeFunctions: Readonly<Record<string, string>> = {
  ...{ version: quoteString(version), revision: 'toUInt32(54515)' },
  ...{ timezone: "'UTC'", servertimezone: "'UTC'" },
  ...Object.fromEntries(
    ['currentDatabase', 'database', 'schema', 'displayName', 'hostName'].map((name) => [
      name.toLowerCase(),
      quoteString(handshakeDatabase),
    ]),
  ),
  ...{ user: "'api-key'", currentuser: "'api-key'" },
};

/** How values are written, and what may only become less. The first are passed on; see statement-settings.ts. */
export const shownSettings: readonly { name: string; value: string; isReadOnly: boolean }[] = [
  { name: 'output_format_json_quote_64bit_integers', value: '0', isReadOnly: false },
  { name: 'output_format_json_quote_denormals', value: '0', isReadOnly: false },
  { name: 'date_time_output_format', value: 'simple', isReadOnly: false },
  { name: 'max_execution_time', value: '10', isReadOnly: false },
  { name: 'readonly', value: '1', isReadOnly: true },
];

interface HandshakeView {
  /** As clients ask for it, in lower case. */
  table: string;
  name: string;
  definition: string;
}

type Value = string | number | null;

/** @param structure `name Type`, by lines or commas */
const rowsOf = (structure: string, rows: readonly (readonly Value[])[]) => {
  const names = structure
    .trim()
    .split(/\s*[,\n]\s*/)
    .map((part) => part.split(' '));
  const literal = (value: Value) => (typeof value === 'string' ? quoteString(value) : String(value));
  const values = rows.map((row) => `tuple(${row.map(literal).join(', ')})`);
  const type = `Array(Tuple(${names.map(([name, kind]) => `\`${name}\` ${kind}`).join(', ')}))`;
  const columns = names.map(([name]) => `tupleElement(r, ${quoteString(name!)}) AS \`${name}\``).join(', ');
  return `SELECT ${columns} FROM (SELECT arrayJoin(CAST([${values.join(', ')}], ${quoteString(type)})) AS r)`;
};

const tableRow = ({ name, comment }: View) => [
  ...[handshakeDatabase, name, comment, 'View', 0, 0, 0],
  ...['', '', '', '', '', ''],
];
const columnRows = ({ name, columns }: View) =>
  columns.map((column, index) => [
    ...[handshakeDatabase, name, column.name, column.type, index + 1, '', '', column.comment],
    ...[0, 0, 0, 0, 0, 0, 0, ''],
    ...[null, null, null, null, null],
  ]);

export const handshakeViews: readonly HandshakeView[] = [
  {
    table: 'system.databases',
    name: 'system_databases',
    definition: rowsOf('name String, engine String, comment String', [
      [handshakeDatabase, 'Atomic', 'What sessions did'],
    ]),
  },
  {
    table: 'system.tables',
    name: 'system_tables',
    definition: rowsOf(
      `database String, name String, comment String, engine String, is_temporary UInt8, total_rows UInt64, total_bytes UInt64
      engine_full String, create_table_query String, partition_key String, sorting_key String, primary_key String, sampling_key String`,
      views.map(tableRow),
    ),
  },
  {
    table: 'system.columns',
    name: 'system_columns',
    definition: rowsOf(
      `database String, table String, name String, type String, position UInt64, default_kind String, default_expression String, comment String
      data_compressed_bytes UInt64, data_uncompressed_bytes UInt64, marks_bytes UInt64
      is_in_partition_key UInt8, is_in_sorting_key UInt8, is_in_primary_key UInt8, is_in_sampling_key UInt8, compression_codec String
      character_octet_length Nullable(UInt64), numeric_precision Nullable(UInt64), numeric_precision_radix Nullable(UInt64)
      numeric_scale Nullable(UInt64), datetime_precision Nullable(UInt64)`,
      views.flatMap(columnRows),
    ),
  },
  {
    table: 'system.settings',
    name: 'system_settings',
    definition: rowsOf(
      'name String, value String, changed UInt8, description String, readonly UInt8, type String',
      shownSettings.map(({ name, value, isReadOnly }) => [name, value, 0, '', isReadOnly ? 1 : 0, 'String']),
    ),
  },
  {
    table: 'system.functions',
    name: 'system_functions',
    definition: rowsOf(
      `name String, is_aggregate UInt8, case_insensitive UInt8, alias_to String, origin String, description String
      syntax String, arguments String, returned_value String, examples String, categories String`,
      [...functionNames.plain.map((name) => [name, 0]), ...functionNames.aggregates.map((name) => [name, 1])].map(
        ([name, isAggregate]) => [name!, isAggregate!, 0, '', 'System', '', '', '', '', '', ''],
      ),
    ),
  },
  {
    table: 'system.data_type_families',
    name: 'system_data_type_families',
    definition: rowsOf(
      'name String, case_insensitive UInt8, alias_to String',
      typeNames.map((name) => [name, 0, '']),
    ),
  },
  {
    table: 'system.table_engines',
    name: 'system_table_engines',
    definition: rowsOf('name String', [['View']]),
  },
  {
    table: 'system.parts',
    name: 'system_parts',
    definition: rowsOf(
      `database String, table String, name String, active UInt8, rows UInt64, bytes UInt64, bytes_on_disk UInt64
      modification_time DateTime, min_date Date, max_date Date, partition String`,
      [],
    ),
  },
];

/** Those that a statement names: they stand in front of it. */
export function handshakeOf(statement: string): MoreViews {
  const named = handshakeViews.filter(({ name }) => statement.includes(name));
  return {
    names: named.map(({ name }) => name),
    definitions: named.map(({ name, definition }) => `${name} AS (${definition})`),
  };
}
