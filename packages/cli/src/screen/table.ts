// Rows as aligned columns that fit the terminal.
//
// 1. No line is wider than `width`, as long as there are three columns of it for each column of the table.
// 2. Columns that may shrink give way first, widest first; then those that may go are left out, the last one first; ids are cut only
//    when nothing else is left to give way.

import { cutTo, padTo, visible, widthOf } from './visible-text.ts';

export interface Column {
  title: string;
  align?: 'left' | 'right';
  /** Free text: gives way to the others. */
  shrinks?: boolean;
  /** Is left out where an id would be cut instead. */
  canGo?: boolean;
  /** Given the cell as it was before padding. */
  style?: (padded: string, cell: string) => string;
}

const gap = '  ';
const shrunkenMin = 4;

/** @param width Infinity where nothing limits it. */
export function layoutTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number,
  titleStyle: (text: string) => string = (text) => text,
): string[] {
  const cells = rows.map((row) => columns.map((_, index) => visible(row[index] ?? '')));
  const natural = columns.map((column, index) =>
    Math.max(widthOf(column.title), ...cells.map((row) => widthOf(row[index]!))),
  );
  const gone = columns.findLastIndex(({ canGo }) => canGo);
  if (gone >= 0 && columns.length > 1 && narrowest(natural, columns) > width) {
    const rest = rows.map((row) => row.toSpliced(gone, 1));
    return layoutTable(columns.toSpliced(gone, 1), rest, width, titleStyle);
  }
  const widths = fitWidths(natural, columns, width - gap.length * (columns.length - 1));
  const line = (texts: readonly string[], style: (padded: string, index: number) => string) =>
    texts
      .map((text, index) => {
        const isLast = index === texts.length - 1;
        const cut = cutTo(text, widths[index]!);
        const align = columns[index]!.align ?? 'left';
        return style(isLast && align === 'left' ? cut : padTo(cut, widths[index]!, align), index);
      })
      .join(gap);
  const titles = columns.map((column) => column.title);
  return [
    line(titles, (padded) => titleStyle(padded)),
    ...cells.map((row) => line(row, (padded, index) => columns[index]!.style?.(padded, row[index]!) ?? padded)),
  ];
}

/** With nothing cut but what may shrink. */
function narrowest(natural: readonly number[], columns: readonly Column[]): number {
  const least = natural.map((width, index) => (columns[index]!.shrinks ? Math.min(width, shrunkenMin) : width));
  return least.reduce((sum, width) => sum + width, 0) + gap.length * (columns.length - 1);
}

/** Takes one column at a time from the widest that may give way, until the sum fits. */
function fitWidths(natural: readonly number[], columns: readonly Column[], available: number): number[] {
  const widths = [...natural];
  const shrinkable = widths.map((_, index) => index).filter((index) => columns[index]!.shrinks);
  for (const [candidates, atLeast] of [
    [shrinkable, 12],
    [shrinkable, shrunkenMin],
    [widths.map((_, index) => index), 1],
  ] as const) {
    let excess = widths.reduce((sum, width) => sum + width, 0) - available;
    while (excess > 0) {
      const widest = candidates.reduce((best, index) => (widths[index]! > (widths[best] ?? 0) ? index : best), -1);
      if (widest === -1 || widths[widest]! <= atLeast) break;
      widths[widest]! -= 1;
      excess--;
    }
  }
  return widths;
}

/** "name: value" lines, values in one column. */
export function layoutFields(fields: readonly (readonly [string, string | null | undefined])[]): string[] {
  const shown = fields.filter(([, value]) => value !== null && value !== undefined && value !== '');
  const widest = Math.max(0, ...shown.map(([name]) => widthOf(name)));
  return shown.map(([name, value]) => `${padTo(name, widest, 'left')}  ${visible(value!)}`);
}
