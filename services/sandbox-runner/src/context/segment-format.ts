// A segment as a file: what was found in some blobs, each once, never changed after it was written.
//
//   "WTCX" + format, length and CRC of the head     4 × 4 bytes, little-endian as all that follows
//   head                                            JSON: counts, names by number, where each section lies and its CRC
//   sections                                        read when it is opened
//   texts                                           zstd, read one by one when they are shown
//
// A file that is not whole, or is of another format, is none: nothing of it is used.

import { crc32 } from 'node:zlib';
import type { PostingBytes } from './postings.ts';

/** Another number: everything is indexed anew. */
export const segmentFormat = 1;

/** Of each file. */
export const fileFields = 7;
export const fileField = { lines: 0, bytes: 1, textAt: 2, textLength: 3, textCrc: 4, language: 5, reason: 6 } as const;
/** Of each chunk. */
export const chunkFields = 4;
export const chunkField = { file: 0, firstLine: 1, lastLine: 2, terms: 3 } as const;
/** Of each symbol. */
export const symbolFields = 5;
export const symbolField = { file: 0, firstLine: 1, lastLine: 2, kind: 3, parent: 4 } as const;

export interface SegmentHead {
  files: number;
  hashBytes: number;
  /** By their numbers; 0 is none. */
  languages: string[];
  reasons: string[];
  kinds: string[];
}

export interface SegmentIndex {
  head: SegmentHead;
  blobs: Uint8Array;
  fileTable: Uint32Array;
  chunkTable: Uint32Array;
  terms: PostingBytes;
  /** Names of symbols, sorted by lower case, then as they are. */
  nameOffsets: Uint32Array;
  names: Uint8Array;
  /** Where each name's symbols begin in `symbolTable`. */
  nameSymbols: Uint32Array;
  symbolTable: Uint32Array;
  /** Words of names, leading to names. */
  nameWords: PostingBytes;
}

export class SegmentDamaged extends Error {
  override readonly name = 'SegmentDamaged';
}

const magic = 0x58435457;
export const prologueBytes = 16;
const headBytesMax = 1_048_576;

interface SectionPlace {
  at: number;
  bytes: number;
  crc: number;
}

/** To be written one after the other, and the texts after them. */
export function encodeSegment(index: SegmentIndex): Buffer[] {
  const { head } = index;
  const sections = sectionsOf(index);
  const places: Record<string, SectionPlace> = {};
  const parts: Buffer[] = [];
  let at = 0;
  for (const [name, array] of Object.entries(sections)) {
    const bytes = Buffer.from(array.buffer, array.byteOffset, array.byteLength);
    places[name] = { at, bytes: bytes.length, crc: crc32(bytes) };
    const padding = padded(bytes.length) - bytes.length;
    parts.push(bytes, Buffer.alloc(padding));
    at += bytes.length + padding;
  }
  const text = Buffer.from(JSON.stringify({ ...head, sectionBytes: at, sections: places }));
  const spaces = Buffer.alloc(padded(prologueBytes + text.length) - prologueBytes - text.length, ' ');
  const described = Buffer.concat([text, spaces]);
  const prologue = Buffer.alloc(prologueBytes);
  for (const [number, value] of [magic, segmentFormat, described.length, crc32(described)].entries()) {
    prologue.writeUInt32LE(value, number * 4);
  }
  return [prologue, described, ...parts];
}

/** How many bytes the head has. @throws SegmentDamaged */
export function readPrologue(prologue: Buffer): { headBytes: number; headCrc: number } {
  if (prologue.length < prologueBytes) throw new SegmentDamaged('it is too short');
  const [found, format, headBytes = 0, headCrc = 0] = [0, 4, 8, 12].map((at) => prologue.readUInt32LE(at));
  if (found !== magic) throw new SegmentDamaged('it is none');
  if (format !== segmentFormat) throw new SegmentDamaged(`its format is ${format}`);
  if (headBytes > headBytesMax) throw new SegmentDamaged('its head is too large');
  return { headBytes, headCrc };
}

export interface SegmentLayout {
  head: SegmentHead;
  sectionBytes: number;
  sections: Record<string, SectionPlace>;
}

/** @throws SegmentDamaged */
export function readHead(bytes: Buffer, headCrc: number): SegmentLayout {
  if (crc32(bytes) !== headCrc) throw new SegmentDamaged('its head is damaged');
  const { sectionBytes, sections, ...head } = JSON.parse(bytes.toString()) as SegmentHead & Omit<SegmentLayout, 'head'>;
  return { head, sectionBytes, sections };
}

/** `bytes` begins where a typed array may. @throws SegmentDamaged */
export function decodeSections({ head, sections }: SegmentLayout, bytes: Buffer): SegmentIndex {
  const raw = (name: string): Uint8Array => {
    const place = sections[name];
    const found = place && bytes.subarray(place.at, place.at + place.bytes);
    if (!found || found.length !== place.bytes || crc32(found) !== place.crc)
      throw new SegmentDamaged(`its ${name} are damaged`);
    return found;
  };
  const numbers = (name: string): Uint32Array => {
    const found = raw(name);
    return new Uint32Array(found.buffer, found.byteOffset, found.byteLength / 4);
  };
  const postings = (name: string): PostingBytes => ({
    termOffsets: numbers(`${name}Offsets`),
    terms: raw(name),
    listOffsets: numbers(`${name}ListOffsets`),
    lists: raw(`${name}Lists`),
  });
  return {
    head,
    blobs: raw('blobs'),
    fileTable: numbers('fileTable'),
    chunkTable: numbers('chunkTable'),
    terms: postings('terms'),
    nameOffsets: numbers('nameOffsets'),
    names: raw('names'),
    nameSymbols: numbers('nameSymbols'),
    symbolTable: numbers('symbolTable'),
    nameWords: postings('nameWords'),
  };
}

function sectionsOf(index: SegmentIndex): Record<string, Uint8Array | Uint32Array> {
  const postings = (name: string, { termOffsets, terms, listOffsets, lists }: PostingBytes) => ({
    [`${name}Offsets`]: termOffsets,
    [name]: terms,
    [`${name}ListOffsets`]: listOffsets,
    [`${name}Lists`]: lists,
  });
  const { blobs, fileTable, chunkTable, nameOffsets, names, nameSymbols, symbolTable } = index;
  return {
    ...{ blobs, fileTable, chunkTable, nameOffsets, names, nameSymbols, symbolTable },
    ...postings('terms', index.terms),
    ...postings('nameWords', index.nameWords),
  };
}

function padded(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}
