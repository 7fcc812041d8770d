// A segment that is open: its index in memory, outside of the JavaScript heap, its texts in the file.

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { crc32, zstdDecompressSync } from 'node:zlib';
import {
  decodeSections,
  fileField,
  fileFields,
  prologueBytes,
  readHead,
  readPrologue,
  SegmentDamaged,
  type SegmentIndex,
} from './segment-format.ts';

export interface Segment {
  index: SegmentIndex;
  /** Of memory. */
  bytes: number;
  blobBytes(file: number): Buffer;
  /** What a file is found by: fileKey. */
  key(file: number): string;
  name(number: number): string;
  /** '' of a file whose content is not indexed. @throws SegmentDamaged */
  text(file: number): string;
  compressedText(file: number): Buffer;
  close(): void;
}

/** The same content in another language has other symbols. */
export function fileKey(blob: string, language: string | null): string {
  return `${blob} ${language ?? ''}`;
}

/** A file as large as a text may be, and no larger. */
const textBytesMax = 4 * 1024 * 1024;

/** @throws SegmentDamaged */
export function openSegment(path: string): Segment {
  const file = openSync(path, 'r');
  try {
    const size = fstatSync(file).size;
    const { headBytes, headCrc } = readPrologue(read(file, 0, Math.min(prologueBytes, size)));
    const layout = readHead(read(file, prologueBytes, headBytes), headCrc);
    const { sectionBytes } = layout;
    if (prologueBytes + headBytes + sectionBytes > size) throw new SegmentDamaged('it is not whole');
    const index = decodeSections(layout, read(file, prologueBytes + headBytes, sectionBytes));
    return segmentOf(file, index, { bytes: sectionBytes, textsAt: prologueBytes + headBytes + sectionBytes });
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

function segmentOf(
  descriptor: number,
  index: SegmentIndex,
  { bytes, textsAt }: { bytes: number; textsAt: number },
): Segment {
  const { hashBytes } = index.head;
  const blobs = Buffer.from(index.blobs.buffer, index.blobs.byteOffset, index.blobs.byteLength);
  const names = Buffer.from(index.names.buffer, index.names.byteOffset, index.names.byteLength);
  const compressedText = (file: number): Buffer => {
    const field = (at: number) => index.fileTable[file * fileFields + at]!;
    const length = field(fileField.textLength);
    if (length === 0) return Buffer.alloc(0);
    const text = read(descriptor, textsAt + field(fileField.textAt), length);
    if (crc32(text) !== field(fileField.textCrc)) throw new SegmentDamaged('a text in it is damaged');
    return text;
  };
  return {
    index,
    bytes,
    blobBytes: (file) => blobs.subarray(file * hashBytes, (file + 1) * hashBytes),
    key(file) {
      const blob = blobs.toString('hex', file * hashBytes, (file + 1) * hashBytes);
      return fileKey(blob, index.head.languages[index.fileTable[file * fileFields + fileField.language]!] || null);
    },
    name: (number) => names.toString('utf8', index.nameOffsets[number]!, index.nameOffsets[number + 1]!),
    compressedText,
    text(file) {
      const compressed = compressedText(file);
      if (compressed.length === 0) return '';
      return zstdDecompressSync(compressed, { maxOutputLength: textBytesMax }).toString();
    },
    close: () => closeSync(descriptor),
  };
}

/** Into memory of its own, so that it begins where a typed array may. @throws SegmentDamaged */
function read(file: number, at: number, length: number): Buffer {
  const bytes = Buffer.from(new ArrayBuffer(length));
  let got = 0;
  while (got < length) {
    const more = readSync(file, bytes, got, length - got, at + got);
    if (more === 0) throw new SegmentDamaged('it is not whole');
    got += more;
  }
  return bytes;
}
