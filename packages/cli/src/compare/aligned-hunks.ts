// The hunks of several changes of one file beside each other, by the lines that the file began with.
//
// 1. Every line of every hunk stands in exactly one row, in its order.
// 2. An old line stands in the same row in every change that has it; what was put after it follows it.

import type { Hunk } from './file-changes.ts';

export interface Cell {
  sign: ' ' | '+' | '-' | '\\';
  text: string;
}

export interface Row {
  /** Null: no change has an old line here. */
  oldLine: number | null;
  cells: (Cell | null)[];
}

/** Rows without a break between them: hunks that touch or overlap. */
export type Region = Row[];

/** @param changes The hunks of each change, in the order of their lines. */
export function alignHunks(changes: readonly (readonly Hunk[])[]): Region[] {
  const anchored = changes.map(anchorLines);
  const anchors = [...new Set(anchored.flatMap((lines) => [...lines.keys()]))].toSorted((a, b) => a - b);
  const regions: Region[] = [];
  let previous = Number.NEGATIVE_INFINITY;
  for (const anchor of anchors) {
    if (anchor !== previous + 1) regions.push([]);
    const region = regions.at(-1)!;
    const here = anchored.map((lines) => lines.get(anchor));
    if (here.some((lines) => lines?.old)) {
      region.push({ oldLine: anchor, cells: here.map((lines) => lines?.old ?? null) });
    }
    const following = Math.max(...here.map((lines) => lines?.following.length ?? 0));
    for (let index = 0; index < following; index++) {
      region.push({ oldLine: null, cells: here.map((lines) => lines?.following[index] ?? null) });
    }
    previous = anchor;
  }
  return regions;
}

interface AnchoredLines {
  /** Null where what follows stands before the first line that the hunk shows. */
  old: Cell | null;
  following: Cell[];
}

/** By old line; what is added before the first is anchored at the one before it. */
function anchorLines(hunks: readonly Hunk[]): Map<number, AnchoredLines> {
  const anchored = new Map<number, AnchoredLines>();
  for (const hunk of hunks) {
    let at = hunk.oldStart - 1;
    for (const line of hunk.lines) {
      const sign = (line[0] ?? ' ') as Cell['sign'];
      const cell = { sign, text: line.slice(1) };
      if (sign === ' ' || sign === '-') anchored.set(++at, { old: cell, following: [] });
      else {
        const here = anchored.get(at) ?? { old: null, following: [] };
        here.following.push(cell);
        anchored.set(at, here);
      }
    }
  }
  return anchored;
}
