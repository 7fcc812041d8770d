// Lines of a text as they are shown, and exactly which of its bytes those are.

export interface ReadLines {
  lines: string[];
  /** Of the whole text. */
  total: number;
  /** Of the first byte that is shown; the text's end where there is no such line. */
  offset: number;
  /** From there to the end of the last line, with what ends it. */
  bytes: Buffer;
  /** null: it was the last. */
  nextLine: number | null;
  /** The one line that is shown goes on. */
  isCut: boolean;
}

/** `firstLine`: from 1. `bytesMax`: whole lines, as many as fit; of one that is longer its beginning. */
export function readLines(text: string, firstLine: number, lines: number, bytesMax: number): ReadLines {
  const all = text.split(/(?<=\n)/).filter((line) => line !== '');
  const offset = all.slice(0, firstLine - 1).reduce((sum, line) => sum + Buffer.byteLength(line), 0);
  const asked = all.slice(firstLine - 1, firstLine - 1 + lines);
  let size = 0;
  const beyond = asked.findIndex((line) => (size += Buffer.byteLength(line)) > bytesMax);
  const isCut = beyond === 0;
  const shown = isCut ? [cutAt(asked[0]!, bytesMax)] : asked.slice(0, beyond < 0 ? asked.length : beyond);
  const next = firstLine + shown.length;
  return {
    lines: shown.map((line) => line.replace(/\n$/, '')),
    total: all.length,
    offset,
    bytes: Buffer.from(shown.join('')),
    nextLine: next <= all.length ? next : null,
    isCut,
  };
}

/** At the boundary of a character. */
function cutAt(line: string, bytesMax: number): string {
  const bytes = Buffer.from(line);
  let end = bytesMax;
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end -= 1;
  return bytes.toString('utf8', 0, end);
}
