// What may stand in an archive of volumes, judged while it passes: files, directories, symbolic and hard links, each inside one of the
// archive's directories. Anything else ends the stream with an error before its member has passed.

import { Transform } from 'node:stream';

const blockBytes = 512;
const paxBytesMax = 1024 * 1024;

/** A member that no archive of ours has. */
export class MemberRefused extends Error {
  override readonly name = 'MemberRefused';
}

/** `roots`: first components that a name may have. */
export function checkMembers(roots: readonly string[]): Transform {
  let header: Buffer = Buffer.alloc(0);
  /** Bytes of the present member that are still to come, with its padding. */
  let contentBytes = 0;
  /** Set while the content is a member's extended header. */
  let pax: Buffer[] | undefined;
  let extended: Record<string, string> = {};

  function endHeader(block: Buffer): void {
    if (block.every((byte) => byte === 0)) return;
    const type = String.fromCharCode(block[156]!);
    const size = sizeOf(block);
    contentBytes = Math.ceil(size / blockBytes) * blockBytes;
    if (type === 'x') {
      if (size > paxBytesMax) throw new MemberRefused('an extended header is too long');
      pax = [];
      return;
    }
    // Hard links point to another member, by the same kind of name.
    const names = [extended['GNU.sparse.name'] ?? extended['path'] ?? nameOf(block)];
    if (type === '1') names.push(extended['linkpath'] ?? text(block, 157, 100));
    if (!['0', '\0', '1', '2', '5'].includes(type)) throw new MemberRefused(`a member is of type "${type}"`);
    for (const name of names) if (!isInside(name, roots)) throw new MemberRefused('a member has a name outside');
    if (extended['size'] !== undefined) contentBytes = Math.ceil(Number(extended['size']) / blockBytes) * blockBytes;
    extended = {};
  }

  function read(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      if (contentBytes > 0) {
        const piece = chunk.subarray(at, at + contentBytes);
        pax?.push(piece);
        contentBytes -= piece.length;
        at += piece.length;
        if (contentBytes === 0 && pax) {
          extended = { ...extended, ...paxRecords(Buffer.concat(pax)) };
          pax = undefined;
        }
        continue;
      }
      const piece = chunk.subarray(at, at + blockBytes - header.length);
      header = header.length === 0 ? piece : Buffer.concat([header, piece]);
      at += piece.length;
      if (header.length < blockBytes) return;
      endHeader(header);
      header = Buffer.alloc(0);
    }
  }

  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      try {
        read(chunk);
        done(null, chunk);
      } catch (error) {
        done(error as Error);
      }
    },
  });
}

function isInside(name: string, roots: readonly string[]): boolean {
  const parts = name.split('/');
  return roots.includes(parts[0]!) && !parts.includes('..');
}

function nameOf(block: Buffer): string {
  const prefix = text(block, 345, 155);
  return prefix === '' ? text(block, 0, 100) : `${prefix}/${text(block, 0, 100)}`;
}

function text(block: Buffer, start: number, length: number): string {
  const field = block.subarray(start, start + length);
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end === -1 ? length : end);
}

function sizeOf(block: Buffer): number {
  const field = block.subarray(124, 136);
  // Where octal digits do not do, the size is a binary number with its first bit set.
  const size =
    (field[0]! & 0x80) === 0 ? parseInt(text(field, 0, 12).trim() || '0', 8) : Number(field.readBigUInt64BE(4));
  if (!Number.isSafeInteger(size) || size < 0) throw new MemberRefused('a member has no length');
  return size;
}

/** `<length> <name>=<value>\n`, where the length counts all of it. */
function paxRecords(bytes: Buffer): Record<string, string> {
  const records: Record<string, string> = {};
  for (let at = 0; at < bytes.length && bytes[at] !== 0; ) {
    const space = bytes.indexOf(0x20, at);
    const length = Number(bytes.toString('utf8', at, space));
    if (space === -1 || !(length > space - at)) throw new MemberRefused('an extended header cannot be read');
    const record = bytes.toString('utf8', space + 1, at + length - 1);
    const equals = record.indexOf('=');
    records[record.slice(0, equals)] = record.slice(equals + 1);
    at += length;
  }
  return records;
}
