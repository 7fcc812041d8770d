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
    columns: columns.map((title) => ({
      title,
      shrinks: true,
      align: rows.every((row) => isNumber(row[title])) ? ('right' as const) : ('left' as const),
    })),
    rows: rows.map((row) => columns.map((name) => cellText(row[name]))),
  };
}

/** 64-bit integers come as strings of digits. */
function isNumber(value: unknown): boolean {
  return value == null || typeof value === 'number' || (typeof value === 'string' && /^-?\d+$/.test(value));
}

function cellText(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
