// What several sessions have changed as lines for a terminal: each file once, the sessions in columns beside each other.
//
// 1. No line is wider than `width`, as long as it has 20 columns. Sessions that do not fit beside each other follow below, file by file.
// 2. Bounded: what is not shown is counted where it would stand.
// 3. Nothing that a terminal acts on comes out of a path or a line of a file.

import type { Style } from '../screen/style.ts';
import { cutTo, padTo, visible, wrapTo } from '../screen/visible-text.ts';
import { alignHunks, type Cell, type Region } from './aligned-hunks.ts';
import type { ComparedFile, FileChange } from './file-changes.ts';

export interface SideBySideBounds {
  filesMax: number;
  /** Of one file where there are several; the whole has ten times as many. */
  linesMax: number;
}

const boundsOfATerminal: SideBySideBounds = { filesMax: 500, linesMax: 2_000 };
const columnsMin = 36;
const wrapsMax = 4;
/** More of a line fits in no cell. */
const lineUnitsMax = 10_000;
const separator = ' │ ';

export interface SideBySide {
  /** Of each session, above its column. */
  titles: readonly string[];
  width: number;
  style: Style;
  bounds?: SideBySideBounds;
}

export function layoutSideBySide(files: readonly ComparedFile[], options: SideBySide): string[] {
  const { style, bounds = boundsOfATerminal } = options;
  const lines: string[] = [];
  const shown = files.slice(0, bounds.filesMax);
  let left = bounds.linesMax * 10;
  const count = (of: number, what: string) => style.dim(`… ${of} more ${what}${of === 1 ? '' : 's'}`);
  for (const [index, file] of shown.entries()) {
    if (left <= 0) return [...lines, count(files.length - index, 'file')];
    const all = fileLines(file, options);
    const most = files.length === 1 ? left : Math.min(left, bounds.linesMax);
    lines.push(...all.slice(0, most));
    if (all.length > most) lines.push(count(all.length - most, 'line'));
    lines.push('');
    left -= all.length;
  }
  if (files.length > shown.length) lines.push(count(files.length - shown.length, 'file'));
  return lines;
}

function fileLines({ path, changes }: ComparedFile, { titles, width, style }: SideBySide): string[] {
  const lines = [style.bold(cutTo(visible(path), width))];
  const lastLine = Math.max(0, ...changes.flatMap((change) => change?.hunks.map(lastOldLine) ?? []));
  const gutter = String(lastLine).length;
  const atOnce = Math.max(1, Math.min(changes.length, Math.floor((width - gutter) / (columnsMin + separator.length))));
  const columns = Math.max(2, Math.floor((width - gutter) / atOnce) - separator.length);
  for (let from = 0; from < changes.length; from += atOnce) {
    const some = changes.slice(from, from + atOnce);
    if (atOnce < changes.length && !some.some(Boolean)) continue;
    const line = (number: string, cells: readonly string[]) =>
      [style.dim(padTo(number, gutter, 'right')), ...cells].join(style.dim(separator)).trimEnd();
    const heads = some.map((change, index) => {
      const { text, paint } = headOf(change, style);
      return paint(padTo(cutTo(visible(`${titles[from + index]}: ${text}`), columns), columns, 'left'));
    });
    lines.push(line('', heads));
    alignHunks(some.map((change) => change?.hunks ?? [])).forEach((region, index) => {
      if (index > 0) lines.push(style.dim(cutTo('⋯', gutter)));
      lines.push(...regionLines(region, columns, style, line));
    });
  }
  return lines;
}

function lastOldLine({ oldStart, oldLines }: FileChange['hunks'][number]): number {
  return oldStart + oldLines - 1;
}

const whyWithout = {
  binary: 'binary',
  patch_cut: 'its lines are over the limit of a patch',
  unreadable: 'its lines cannot be shown beside others: see "worktrail diff --patch"',
};

function headOf(change: FileChange | null, style: Style): { text: string; paint: (text: string) => string } {
  if (change === null) return { text: 'unchanged', paint: style.dim };
  const { status, path, oldPath, additions, deletions, without } = change;
  const to = oldPath === undefined ? '' : ` to ${path}`;
  const what = without === null ? `+${additions} -${deletions}` : whyWithout[without];
  return { text: `${status.replace('_', ' ')}${to}, ${what}`, paint: style.cyan };
}

function regionLines(
  region: Region,
  columns: number,
  style: Style,
  line: (number: string, cells: readonly string[]) => string,
): string[] {
  return region.flatMap(({ oldLine, cells }) => {
    const wrapped = cells.map((cell) => (cell === null ? [] : cellLines(cell, columns)));
    const height = Math.max(...wrapped.map(({ length }) => length));
    return Array.from({ length: height }, (_, index) =>
      line(
        index === 0 && oldLine !== null ? String(oldLine) : '',
        cells.map((cell, column) => paintOf(cell, style)(padTo(wrapped[column]![index] ?? '', columns, 'left'))),
      ),
    );
  });
}

function cellLines({ sign, text }: Cell, columns: number): string[] {
  const clean = visible(text.slice(0, lineUnitsMax).replaceAll('\t', '    ')).trimEnd();
  return wrapTo(clean, columns - 1, wrapsMax).map((piece, index) => (index === 0 ? sign : ' ') + piece);
}

function paintOf(cell: Cell | null, style: Style): (text: string) => string {
  if (cell?.sign === '+') return style.green;
  if (cell?.sign === '-') return style.red;
  return cell?.sign === '\\' ? style.dim : (text) => text;
}
