// worktrail sql <statement>: one read-only statement over the traces, as a table, or its rows in a format as they come.

import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import type { QueryResult } from '@worktrail/client';
import type { Cli } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';
import { writeAll } from '../screen/screen.ts';
import { visible } from '../screen/visible-text.ts';

export const sqlFormats = ['table', 'json', 'jsonl', 'csv', 'parquet', 'arrow'] as const;

export interface SqlOptions {
  format: (typeof sqlFormats)[number];
  output?: string;
}

export async function sql(cli: Cli, statement: string, { format, output }: SqlOptions): Promise<number> {
  const { screen } = cli;
  if (statement.trim() === '') {
    screen.note('worktrail: give a statement that begins with SELECT or WITH');
    return exitCodes.usage;
  }
  if (format === 'table' || format === 'json') {
    const result = await (await cli.client()).query.sql({ sql: statement });
    if (output !== undefined) await pipeline([JSON.stringify(result)], createWriteStream(output));
    else if (screen.json || format === 'json') await screen.document(result);
    else await showTable(cli, result);
    return exitCodes.ok;
  }
  const isBinary = format === 'parquet' || format === 'arrow';
  if (isBinary && output === undefined && screen.isTerminal) {
    screen.note(`worktrail: ${format} is not for a terminal: give --output <file>`);
    return exitCodes.usage;
  }
  const { body } = await (await cli.client()).query.rows({ sql: statement, format });
  const left = leftOut();
  const pieces = left.watch(body as unknown as AsyncIterable<Uint8Array>);
  if (output !== undefined) await pipeline(pieces, createWriteStream(output));
  else for await (const piece of pieces) await writeAll(screen.stdout, screen.isTerminal ? visibleLines(piece) : piece);
  const limit = left.limit();
  if (limit !== undefined) screen.note(`worktrail: rows were left out: ${limit}`);
  return exitCodes.ok;
}

async function showTable({ screen }: Cli, result: QueryResult): Promise<void> {
  const { columns, rows } = sqlTable(result);
  if (columns.length > 0) await screen.table(columns, rows);
  screen.note(`${rows.length} ${rows.length === 1 ? 'row' : 'rows'}${result.truncated ? ' (more were left out)' : ''}`);
}

function visibleLines(piece: Uint8Array): string {
  return Buffer.from(piece).toString('utf8').split('\n').map(visible).join('\n');
}

/** Looks at the last line of what passes: it tells whether rows were left out. */
function leftOut() {
  const lineBytesMax = 200;
  let tail = Buffer.alloc(0);
  return {
    watch: async function* (pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
      for await (const piece of pieces) {
        tail = Buffer.concat([tail, piece.subarray(-lineBytesMax)]).subarray(-lineBytesMax);
        yield piece;
      }
    },
    limit: () => /(?:^|\n)(?:# truncated: |\{"truncated":")(query_\w+)(?:"\})?\n$/.exec(tail.toString('utf8'))?.[1],
  };
}

export function sqlTable({ columns, rows }: QueryResult) {
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
