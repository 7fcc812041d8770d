// Puts together a segment out of files, and out of other segments: what the same blobs were found to hold is taken over, not found again.

import { crc32, zstdCompressSync } from 'node:zlib';
import { forEachTerm, wordsOf } from './code-tokens.ts';
import { createPostingCollector, forEachList } from './postings.ts';
import type { Segment } from './segment.ts';
import {
  chunkFields,
  encodeSegment,
  fileField,
  fileFields,
  type SegmentIndex,
  symbolField,
  symbolFields,
} from './segment-format.ts';
import { chunksOf, linesOf } from './text-chunks.ts';

export interface FoundSymbol {
  name: string;
  kind: string;
  /** Of the whole definition, from 1. */
  firstLine: number;
  lastLine: number;
  /** The name of what it is defined in. */
  parent: string | null;
}

export interface IndexedFile {
  blob: string;
  bytes: number;
  language: string | null;
  /** Why nothing of its content is found; null where it is. */
  reason: string | null;
  text: string;
  symbols: readonly FoundSymbol[];
}

export interface SegmentBuilder {
  add(file: IndexedFile): void;
  /** The files of another that `keep` says. @throws SegmentDamaged */
  addSegment(segment: Segment, keep: (file: number) => boolean): void;
  files(): number;
  /** Of the content, before it is compressed. */
  contentBytes(): number;
  /** It holds as much as one is to hold: more would be memory without bound, whatever is in the files. */
  isFull(): boolean;
  /** To be written one after the other. */
  encode(): Buffer[];
}

const filesMax = 2_000;
const contentBytesMax = 24 * 1024 * 1024;
const termsMax = 500_000;
const symbolsMax = 200_000;

interface BuiltSymbol {
  name: string;
  fields: number[];
  parent: string | null;
}

export function createSegmentBuilder(): SegmentBuilder {
  const blobs: Buffer[] = [];
  const fileTable: number[] = [];
  const chunkTable: number[] = [];
  const terms = createPostingCollector();
  const symbols: BuiltSymbol[] = [];
  const texts: Buffer[] = [];
  const languages = createNumbering();
  const reasons = createNumbering();
  const kinds = createNumbering();
  let textAt = 0;
  let contentBytes = 0;
  let chunks = 0;

  function addFile(
    file: Pick<IndexedFile, 'bytes' | 'language' | 'reason'> & { blob: Buffer; lines: number },
    text: Buffer,
  ) {
    blobs.push(file.blob);
    const crc = text.length === 0 ? 0 : crc32(text);
    const numbers = [languages.of(file.language), reasons.of(file.reason)];
    fileTable.push(file.lines, Math.min(file.bytes, 0xffff_ffff), textAt, text.length, crc, ...numbers);
    if (text.length > 0) texts.push(text);
    textAt += text.length;
    if (file.reason === null) contentBytes += file.bytes;
  }

  return {
    add(file) {
      const number = blobs.length;
      const lines = file.reason === null ? linesOf(file.text) : [];
      for (const { firstLine, lastLine } of chunksOf(lines)) {
        let count = 0;
        for (let line = firstLine; line <= lastLine; line++) {
          forEachTerm(lines[line - 1]!, (term) => {
            count += 1;
            terms.add(term, chunks);
          });
        }
        chunkTable.push(number, firstLine, lastLine, count);
        chunks += 1;
      }
      for (const { name, kind, firstLine, lastLine, parent } of file.symbols) {
        symbols.push({ name, parent, fields: [number, firstLine, lastLine, kinds.of(kind)] });
      }
      const { bytes, language, reason } = file;
      const text = lines.length === 0 ? Buffer.alloc(0) : zstdCompressSync(file.text);
      addFile({ blob: Buffer.from(file.blob, 'hex'), bytes, language, reason, lines: lines.length }, text);
    },

    addSegment(segment, keep) {
      const { index } = segment;
      const fileNumbers = new Int32Array(index.head.files).fill(-1);
      for (let file = 0; file < index.head.files; file++) {
        if (!keep(file)) continue;
        fileNumbers[file] = blobs.length;
        const field = (at: number) => index.fileTable[file * fileFields + at]!;
        const language = index.head.languages[field(fileField.language)] || null;
        const reason = index.head.reasons[field(fileField.reason)] || null;
        const described = { bytes: field(fileField.bytes), lines: field(fileField.lines), language, reason };
        addFile({ blob: segment.blobBytes(file), ...described }, segment.compressedText(file));
      }
      const chunkNumbers = new Int32Array(index.chunkTable.length / chunkFields).fill(-1);
      for (let chunk = 0; chunk < chunkNumbers.length; chunk++) {
        const [file = 0, ...rest] = index.chunkTable.subarray(chunk * chunkFields, (chunk + 1) * chunkFields);
        if (fileNumbers[file]! < 0) continue;
        chunkNumbers[chunk] = chunks;
        chunkTable.push(fileNumbers[file]!, ...rest);
        chunks += 1;
      }
      forEachList(index.terms, (term, each) =>
        each((chunk, count) => {
          if (chunkNumbers[chunk]! >= 0) terms.add(term, chunkNumbers[chunk]!, count);
        }),
      );
      for (let name = 0; name + 1 < index.nameOffsets.length; name++) {
        for (let at = index.nameSymbols[name]!; at < index.nameSymbols[name + 1]!; at++) {
          const field = (which: number) => index.symbolTable[at * symbolFields + which]!;
          const file = fileNumbers[field(symbolField.file)]!;
          if (file < 0) continue;
          const kind = kinds.of(index.head.kinds[field(symbolField.kind)] || null);
          const parent = field(symbolField.parent);
          symbols.push({
            name: segment.name(name),
            parent: parent === 0 ? null : segment.name(parent - 1),
            fields: [file, field(symbolField.firstLine), field(symbolField.lastLine), kind],
          });
        }
      }
    },

    files: () => blobs.length,
    contentBytes: () => contentBytes,
    isFull: () =>
      blobs.length >= filesMax ||
      contentBytes >= contentBytesMax ||
      terms.size() >= termsMax ||
      symbols.length >= symbolsMax,

    encode() {
      const index: SegmentIndex = {
        head: {
          files: blobs.length,
          hashBytes: blobs[0]?.length ?? 0,
          ...{ languages: languages.names, reasons: reasons.names, kinds: kinds.names },
        },
        blobs: Buffer.concat(blobs),
        fileTable: Uint32Array.from(fileTable),
        chunkTable: Uint32Array.from(chunkTable),
        terms: terms.encode(),
        ...encodeSymbols(symbols),
      };
      return [...encodeSegment(index), ...texts];
    },
  };
}

/** What is compared instead of a name where case does not matter. */
export function foldCase(name: string): string {
  return name.toLowerCase();
}

function encodeSymbols(symbols: BuiltSymbol[]) {
  const names = [...new Set(symbols.flatMap(({ name, parent }) => (parent === null ? [name] : [name, parent])))]
    .map((name) => ({ name, folded: foldCase(name) }))
    .toSorted((one, two) => compare(one.folded, two.folded) || compare(one.name, two.name))
    .map(({ name }) => name);
  const numberOf = new Map(names.map((name, number) => [name, number]));
  const sorted = symbols
    .map(({ name, parent, fields }) => ({
      number: numberOf.get(name)!,
      fields: [...fields, parent === null ? 0 : numberOf.get(parent)! + 1],
    }))
    .toSorted((one, two) => one.number - two.number);
  const encoded = names.map((name) => Buffer.from(name));
  const nameOffsets = new Uint32Array(names.length + 1);
  const nameSymbols = new Uint32Array(names.length + 1);
  for (const { number } of sorted) nameSymbols[number + 1]! += 1;
  const words = createPostingCollector();
  for (const [number, name] of names.entries()) {
    nameOffsets[number + 1] = nameOffsets[number]! + encoded[number]!.length;
    nameSymbols[number + 1]! += nameSymbols[number]!;
    for (const word of wordsOf(name)) words.add(word, number);
  }
  return {
    nameOffsets,
    names: Buffer.concat(encoded),
    nameSymbols,
    symbolTable: Uint32Array.from(sorted.flatMap(({ fields }) => fields)),
    nameWords: words.encode(),
  };
}

function createNumbering() {
  const names = [''];
  return {
    names,
    of(name: string | null): number {
      if (name === null) return 0;
      const found = names.indexOf(name);
      return found >= 0 ? found : names.push(name) - 1;
    },
  };
}

function compare(one: string, two: string): number {
  return one < two ? -1 : one > two ? 1 : 0;
}
