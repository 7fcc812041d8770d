// The files of a commit as its index has them: text and definitions come from segments, and nothing is parsed anew.

import { suggestionLimits } from '@worktrail/contract/suggestions';
import type { CommitView } from '../context/commit-view.ts';
import type { FoundSymbol } from '../context/segment-builder.ts';
import type { Segment } from '../context/segment.ts';
import { fileField, fileFields, symbolField, symbolFields } from '../context/segment-format.ts';
import { linesOf } from '../context/text-chunks.ts';
import type { CommitFiles } from './scan-commit.ts';
import type { ScannedFile } from './scanned-file.ts';

/** @param tell after each file */
export function createCommitFiles(view: CommitView, tell: () => void): CommitFiles {
  const symbols = view.segments.map(({ segment }) => symbolsByFile(segment));
  return {
    paths: view.files.map(({ path }) => path),
    forEach(take, isWanted = () => true) {
      for (let number = 0; number < view.files.length; number++) {
        const { path } = view.files[number]!;
        if (path.length > suggestionLimits.pathLengthMax || !isWanted(path)) continue;
        const file = readFile(view, symbols, number);
        if (file) take(file);
        tell();
      }
    },
  };
}

type SymbolsOf = ReturnType<typeof symbolsByFile>;

/** Undefined: its content is not indexed. @throws SegmentDamaged */
function readFile(view: CommitView, symbols: readonly SymbolsOf[], number: number): ScannedFile | undefined {
  const segmentNumber = view.place.segment[number]!;
  if (segmentNumber < 0) return undefined;
  const { segment } = view.segments[segmentNumber]!;
  const file = view.place.file[number]!;
  const { head, fileTable } = segment.index;
  if (head.reasons[fileTable[file * fileFields + fileField.reason]!] !== '') return undefined;
  const { path, blob, language } = view.files[number]!;
  return { path, blob, language, lines: linesOf(segment.text(file)), symbols: symbols[segmentNumber]!(file) };
}

function symbolsByFile(segment: Segment): (file: number) => FoundSymbol[] {
  const { symbolTable, nameSymbols, head } = segment.index;
  const count = symbolTable.length / symbolFields;
  const nameOf = new Int32Array(count);
  for (let name = 0; name + 1 < nameSymbols.length; name++)
    nameOf.fill(name, nameSymbols[name]!, nameSymbols[name + 1]!);
  const ofFile = new Map<number, number[]>();
  for (let symbol = 0; symbol < count; symbol++) {
    const file = symbolTable[symbol * symbolFields + symbolField.file]!;
    const before = ofFile.get(file);
    if (before) before.push(symbol);
    else ofFile.set(file, [symbol]);
  }
  return (file) =>
    (ofFile.get(file) ?? []).map((symbol) => {
      const field = (at: number) => symbolTable[symbol * symbolFields + at]!;
      const parent = field(symbolField.parent);
      return {
        name: segment.name(nameOf[symbol]!),
        kind: head.kinds[field(symbolField.kind)]!,
        firstLine: field(symbolField.firstLine),
        lastLine: field(symbolField.lastLine),
        parent: parent === 0 ? null : segment.name(parent - 1),
      };
    });
}
