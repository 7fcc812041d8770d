// A file as the pieces of which each is found by itself: windows of some lines, cut where a piece of code begins rather than within one.

export interface Chunk {
  /** From 1. */
  firstLine: number;
  lastLine: number;
}

const linesMin = 15;
const linesMax = 50;

/** Without their line ends. */
export function linesOf(text: string): string[] {
  const lines = text.split('\n').map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

/** They follow each other from the first line to the last, each of `linesMax` at most. */
export function chunksOf(lines: readonly string[]): Chunk[] {
  const chunks: Chunk[] = [];
  let from = 0;
  while (from < lines.length) {
    const end = Math.min(from + linesMax, lines.length);
    const next = end === lines.length ? end : cutBetween(lines, from + linesMin, end);
    chunks.push({ firstLine: from + 1, lastLine: next });
    from = next;
  }
  return chunks;
}

/** Where the best line to begin with is, the last of equally good ones. */
function cutBetween(lines: readonly string[], from: number, end: number): number {
  let best = end;
  let bestWorth = 0;
  for (let at = from; at <= end; at++) {
    const worth = worthOfCut(lines[at - 1] ?? '', lines[at] ?? '');
    if (worth >= bestWorth) [best, bestWorth] = [at, worth];
  }
  return best;
}

/** Best is a line at the margin after an empty one, then an empty line, then a line at the margin. */
function worthOfCut(before: string, line: string): number {
  const isGap = before.trim() === '';
  const atMargin = /^[^\s})\]]/.test(line);
  return (isGap ? 2 : 0) + (atMargin ? 1 : 0);
}
