// worktrail query <sql>: one read-only statement over the traces, as a table.

import type { QueryResult } from '@worktrail/client';
import type { Cli } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';

export async function query(cli: Cli, sql: string): Promise<number> {
  const { screen } = cli;
  const result = await (await cli.client()).query.sql({ sql });
  if (screen.json) await screen.document(result);
  else {
    const { columns, rows } = queryTable(result);
    if (columns.length > 0) await screen.table(columns, rows);
    screen.note(
      `${rows.length} ${rows.length === 1 ? 'row' : 'rows'}${result.truncated ? ' (more were left out)' : ''}`,
    );
  }
  return exitCodes.ok;
}

export function queryTable({ columns, rows }: QueryResult) {
  return {
    columns: columns.map(({ name, type }) => ({
      title: name,
      shrinks: true,
      align: /^(Nullable\()?(U?Int|Float|Decimal)/.test(type) ? ('right' as const) : ('left' as const),
    })),
    rows: rows.map((row) =>
      columns.map(({ name }, index) => cellText(Array.isArray(row) ? row[index] : fieldOf(row, name))),
    ),
  };
}

function fieldOf(row: unknown, name: string): unknown {
  return typeof row === 'object' && row !== null ? (row as Record<string, unknown>)[name] : undefined;
}

function cellText(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
