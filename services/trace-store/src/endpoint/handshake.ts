// What ClickHouse's clients ask of a server before they ask of its data: who it is, which tables there are, which settings they may set.
//
// Answered from what is documented (query-views.ts), and from nothing of the server: no table of an engine, no name of a host.

import { type View, views } from '../query/views.ts';
import type { MoreViews } from '../query/statement.ts';
import { quoteString } from '../clickhouse/sql-text.ts';

/** The one database that is shown. */
export const handshakeDatabase = 'worktrail';

/** Of the ClickHouse whose SQL is spoken: clients look at it for what they may ask. */
const version = '26.7.2.1';

/** Without arguments, by lower-case name. */
export const handshakeFunctions: Readonly<Record<string, string>> = {
  version,
  timezone: 'UTC',
  servertimezone: 'UTC',
  currentdatabase: handshakeDatabase,
  database: handshakeDatabase,
  schema: handshakeDatabase,
  displayname: handshakeDatabase,
  hostname: handshakeDatabase,
  user: 'api-key',
  currentuser: 'api-key',
  revision: '54515',
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

const text = (value: string) => quoteString(value);
const rowsOf = (structure: string, rows: readonly (readonly (string | number)[])[]) => {
  const names = structure.split(',').map((part) => part.trim().split(' '));
  const values = rows.map(
    (row) => `(${row.map((value) => (typeof value === 'number' ? value : text(value))).join(', ')})`,
  );
  const type = `Array(Tuple(${names.map(([name, kind]) => `\`${name}\` ${kind}`).join(', ')}))`;
  const columns = names.map(([name]) => `tupleElement(r, ${text(name!)}) AS \`${name}\``).join(', ');
  return `SELECT ${columns} FROM (SELECT arrayJoin(CAST([${values.join(', ')}], ${text(type)})) AS r)`;
};

const tableRow = ({ name, comment }: View) => [handshakeDatabase, name, comment, 'View', 0, 0, 0];
const columnRows = ({ name, columns }: View) =>
  columns.map((column, index) => [
    handshakeDatabase,
    name,
    column.name,
    column.type,
    index + 1,
    '',
    '',
    column.comment,
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
      'database String, name String, comment String, engine String, is_temporary UInt8, total_rows UInt64, total_bytes UInt64',
      views.map(tableRow),
    ),
  },
  {
    table: 'system.columns',
    name: 'system_columns',
    definition: rowsOf(
      'database String, table String, name String, type String, position UInt64, default_kind String, default_expression String, comment String',
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
    definition: rowsOf('name String, is_aggregate UInt8', [
      ['count', 1],
      ['sum', 1],
      ['avg', 1],
      ['min', 1],
      ['max', 1],
      ['quantile', 1],
      ['uniq', 1],
    ]),
  },
  {
    table: 'system.table_engines',
    name: 'system_table_engines',
    definition: rowsOf('name String', [['View']]),
  },
];

export const handshake: MoreViews = {
  names: handshakeViews.map(({ name }) => name),
  definitions: handshakeViews.map(({ name, definition }) => `${name} AS (${definition})`).join(',\n'),
};
