/**
 * Shows the lines of parallel sessions as they come: side by side in columns on a terminal, else one below the other with a prefix.
 */
export interface SideBySide {
  push(column: number, line: string): void;
  /** Writes what still waits and ends. */
  close(): void;
}

export interface SideBySideOptions {
  write: (text: string) => void;
  columns: number;
  /** Undefined where there is no terminal. */
  terminalWidth: number | undefined;
  /** Lines that come within this time share a row. */
  rowIntervalMs?: number;
}

const WIDTH_MAX = 200;
const SEPARATOR = ' │ ';

export function createSideBySide(options: SideBySideOptions): SideBySide {
  const { terminalWidth, columns, write } = options;
  if (terminalWidth === undefined) {
    return { push: (column, line) => write(`[${column + 1}] ${line}\n`), close: () => undefined };
  }
  const width = columnWidth(terminalWidth, columns);
  const waiting: string[][] = Array.from({ length: columns }, () => []);
  const writeRows = () => {
    while (waiting.some((lines) => lines.length > 0))
      write(
        `${formatRow(
          waiting.map((lines) => lines.shift() ?? ''),
          width,
        )}\n`,
      );
  };
  const timer = setInterval(writeRows, options.rowIntervalMs ?? 250);
  return {
    push: (column, line) => void waiting[column]?.push(line),
    close() {
      clearInterval(timer);
      writeRows();
    },
  };
}

export function columnWidth(terminalWidth: number, columns: number): number {
  const usable = Math.min(terminalWidth, WIDTH_MAX) - SEPARATOR.length * (columns - 1);
  return Math.max(20, Math.floor(usable / columns));
}

export function formatRow(cells: string[], width: number): string {
  return cells
    .map((cell) => fit(cell, width))
    .join(SEPARATOR)
    .trimEnd();
}

/** Exactly `width` characters: padded, or cut with an ellipsis. */
function fit(text: string, width: number): string {
  const characters = Array.from(text);
  if (characters.length > width) return `${characters.slice(0, width - 1).join('')}…`;
  return characters.join('') + ' '.repeat(width - characters.length);
}
