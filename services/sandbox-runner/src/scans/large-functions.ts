// Functions that are long by themselves: lines of functions within them are not theirs.

import type { Finding } from '@worktrail/contract/suggestions';
import type { FoundSymbol } from '../context/segment-builder.ts';
import { evidenceOf, finding, type ScannedFile, whereOf } from './scanned-file.ts';
import { isTestPath } from './test-conventions.ts';

export const largeLinesMin = 80;

export function largeFunctionsOf(file: ScannedFile): Finding[] {
  if (isTestPath(file.path)) return [];
  const functions = file.symbols
    .filter(({ kind }) => kind === 'function' || kind === 'method')
    .toSorted((one, two) => one.firstLine - two.firstLine || two.lastLine - one.lastLine);
  const byName = new Map<string, { symbol: FoundSymbol; lines: number }[]>();
  for (const { symbol, lines } of ownLines(functions, file.lines)) {
    if (lines < largeLinesMin) continue;
    const name = symbol.parent === null ? symbol.name : `${symbol.parent}.${symbol.name}`;
    byName.set(name, [...(byName.get(name) ?? []), { symbol, lines }]);
  }
  return [...byName].map(([name, found]) => {
    const lines = Math.max(...found.map((one) => one.lines));
    const evidence = found.map(({ symbol }) => evidenceOf(file, symbol.firstLine, symbol.lastLine));
    return finding('large_function', name, {
      title: `${name} has ${lines} lines`,
      description:
        `The ${found[0]!.symbol.kind} \`${name}\` has ${lines} lines that are not empty, beside those of functions within it. ` +
        `Split it into parts that can be read and tested by themselves, without changing what it does.\n\n` +
        evidence.map((one) => `- ${whereOf(one)}`).join('\n'),
      score: 0.3 + 0.15 * Math.log2(lines / largeLinesMin),
      evidence,
    });
  });
}

/** Sorted by where they begin, the outer one first. */
function ownLines(functions: readonly FoundSymbol[], lines: readonly string[]) {
  // Each line belongs to the function that begins last of those around it.
  const owner = new Int32Array(lines.length).fill(-1);
  const counts = functions.map(() => 0);
  for (const [number, { firstLine, lastLine }] of functions.entries()) {
    owner.fill(number, firstLine - 1, Math.min(lastLine, lines.length));
  }
  for (const [at, number] of owner.entries()) {
    if (number >= 0 && lines[at]!.trim() !== '') counts[number]! += 1;
  }
  return functions.map((symbol, number) => ({ symbol, lines: counts[number]! }));
}
