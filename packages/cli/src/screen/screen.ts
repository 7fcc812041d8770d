// Where a command of the CLI prints: results on stdout, everything said beside them on stderr.
//
// With --json stdout carries one JSON document (a stream: one document a line) and nothing else.

import type { Writable } from 'node:stream';
import { createStyle, type Style, wantsColour } from './style.ts';
import { type Column, layoutFields, layoutTable } from './table.ts';

export interface TerminalStream extends Writable {
  isTTY?: boolean;
  columns?: number;
}

export interface Screen {
  readonly json: boolean;
  readonly style: Style;
  readonly stdout: TerminalStream;
  readonly stderr: TerminalStream;
  readonly isTerminal: boolean;
  /** Columns to lay out for; Infinity when stdout is no terminal. */
  readonly width: number;
  line(text: string): Promise<void>;
  document(value: unknown): Promise<void>;
  jsonLine(value: unknown): Promise<void>;
  table(columns: readonly Column[], rows: readonly (readonly string[])[]): Promise<void>;
  fields(fields: readonly (readonly [string, string | null | undefined])[]): Promise<void>;
  /** On stderr. */
  note(text: string): void;
}

export function createScreen(
  stdout: TerminalStream,
  stderr: TerminalStream,
  env: NodeJS.ProcessEnv,
  json: boolean,
): Screen {
  const isTerminal = stdout.isTTY === true;
  const style = createStyle(wantsColour(isTerminal, env));
  const width = isTerminal ? (stdout.columns ?? 80) : Number.POSITIVE_INFINITY;
  const line = (text: string) => writeAll(stdout, `${text}\n`);
  const lines = async (texts: string[]) => {
    if (texts.length > 0) await line(texts.join('\n'));
  };
  return {
    json,
    style,
    stdout,
    stderr,
    isTerminal,
    width,
    line,
    document: (value) => line(JSON.stringify(value, null, 2)),
    jsonLine: (value) => line(JSON.stringify(value)),
    table: (columns, rows) => lines(layoutTable(columns, rows, width, style.dim)),
    fields: (fields) => lines(layoutFields(fields)),
    note: (text) => void stderr.write(`${text}\n`),
  };
}

/** Resolves when the stream has taken it; rejects when its reader has gone (EPIPE). */
export function writeAll(stream: Writable, data: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(data, (error) => (error ? reject(error) : resolve()));
  });
}

export function isClosedPipe(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EPIPE';
}
