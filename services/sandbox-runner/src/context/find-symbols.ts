// Finds symbols: by how much of the query, by the weight of its terms in the commit, a name covers, and how exactly; where nothing is near, by
// names that are spelled a little otherwise.

import { createBest } from './best.ts';
import { type Candidate, type Filter, pathsOf, placeOf } from './candidates.ts';
import { wordsOf } from './code-tokens.ts';
import type { CommitView } from './commit-view.ts';
import { editDistanceWithin } from './edit-distance.ts';
import { forEachPosting } from './postings.ts';
import { foldCase } from './segment-builder.ts';
import type { Segment } from './segment.ts';
import { symbolField, symbolFields } from './segment-format.ts';
import { shareOf, type WeighedQuery } from './weighed-query.ts';

export function findSymbols(view: CommitView, query: WeighedQuery, accepts: Filter, countMax: number): Candidate[] {
  const found = collectSymbols(view, query, accepts, countMax, matchNames);
  const [only, ...others] = query.identifiers;
  if (!only || others.length > 0 || (found[0]?.score ?? 0) >= 0.5) return found;
  const similar = collectSymbols(view, query, accepts, countMax, (segment) => similarNames(segment, only.name));
  const best = new Map<string, Candidate>();
  for (const one of [...found, ...similar]) {
    const key = `${one.path} ${one.symbol!.firstLine} ${one.symbol!.name}`;
    if (one.score > (best.get(key)?.score ?? 0)) best.set(key, one);
  }
  return [...best.values()];
}

function collectSymbols(
  view: CommitView,
  query: WeighedQuery,
  accepts: Filter,
  countMax: number,
  match: (segment: Segment, query: WeighedQuery) => Map<number, number>,
): Candidate[] {
  const best = createBest<Candidate>(countMax);
  for (const { segment, firstPath } of view.segments) {
    const { nameSymbols, symbolTable, head } = segment.index;
    for (const [name, score] of match(segment, query)) {
      for (let at = nameSymbols[name]!; at < nameSymbols[name + 1]!; at++) {
        const field = (which: number) => symbolTable[at * symbolFields + which]!;
        const paths = pathsOf(view, firstPath[field(symbolField.file)]!, accepts);
        if (paths.length === 0) continue;
        const parentNumber = field(symbolField.parent);
        const symbol = {
          name: segment.name(name),
          kind: head.kinds[field(symbolField.kind)]!,
          parent: parentNumber === 0 ? null : segment.name(parentNumber - 1),
          firstLine: field(symbolField.firstLine),
          lastLine: field(symbolField.lastLine),
        };
        const whole = Math.min(1, score + parentShare(query, symbol) * 0.9);
        const lines = { first: symbol.firstLine, last: symbol.lastLine };
        for (const path of paths) {
          const place = placeOf(path, symbol.firstLine);
          best.add(whole, place, { kind: 'symbol', score: whole, path, lines, symbol });
        }
      }
    }
  }
  return best.list().map(({ value }) => value);
}

/** What of the query names where the symbol is defined, beside the symbol. */
function parentShare(query: WeighedQuery, { name, parent }: { name: string; parent: string | null }): number {
  if (parent === null || query.identifiers.length < 2 || foldCase(parent) === foldCase(name)) return 0;
  const named = query.identifiers.find((one) => foldCase(one.name) === foldCase(parent));
  return named ? shareOf(query, named.terms) : 0;
}

/** How well a name answers the query, as the names of one segment are asked for. */
function matchNames(segment: Segment, query: WeighedQuery): Map<number, number> {
  const found = new Map<number, number>();
  const note = (name: number, score: number) => {
    if (score > (found.get(name) ?? 0)) found.set(name, score);
  };
  for (const { name, terms } of query.identifiers) {
    const share = shareOf(query, terms);
    const folded = foldCase(name);
    for (let at = firstAtLeast(segment, folded); at + 1 < segment.index.nameOffsets.length; at++) {
      const other = segment.name(at);
      if (!foldCase(other).startsWith(folded)) break;
      const likeness = other === name ? 1 : foldCase(other) === folded ? 0.95 : prefixLikeness(name, other);
      note(at, likeness * share);
    }
  }
  const words = new Map<number, { weight: number; count: number }>();
  for (const word of new Set(query.identifiers.flatMap((one) => one.words))) {
    const weight = query.weights.get(word) ?? 0;
    forEachPosting(segment.index.nameWords, Buffer.from(word), (name) => {
      const before = words.get(name) ?? { weight: 0, count: 0 };
      words.set(name, { weight: before.weight + weight, count: before.count + 1 });
    });
  }
  const wordsTotal = [...new Set(query.identifiers.flatMap((one) => one.words))].reduce(
    (sum, word) => sum + (query.weights.get(word) ?? 0),
    0,
  );
  for (const [name, { weight, count }] of words) {
    if (wordsTotal === 0 || weight / wordsTotal < 0.3) continue;
    const precision = Math.sqrt(count / Math.max(count, wordsOf(segment.name(name)).length));
    note(name, 0.9 * (weight / wordsTotal) * precision);
  }
  return found;
}

function prefixLikeness(asked: string, name: string): number {
  return asked.length < 2 ? 0 : 0.5 + 0.35 * (asked.length / name.length);
}

function firstAtLeast(segment: Segment, folded: string): number {
  let low = 0;
  let high = segment.index.nameOffsets.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (foldCase(segment.name(middle)) < folded) low = middle + 1;
    else high = middle;
  }
  return low;
}

const similarLengthMin = 4;

/** Spelled a little otherwise. */
function similarNames(segment: Segment, asked: string): Map<number, number> {
  const found = new Map<number, number>();
  if (asked.length < similarLengthMin) return found;
  const folded = foldCase(asked);
  const distanceMax = folded.length < 8 ? 1 : 2;
  const { nameOffsets, names } = segment.index;
  const askedBytes = Buffer.from(folded);
  const letters = lettersOf(askedBytes, 0, askedBytes.length);
  for (let at = 0; at + 1 < nameOffsets.length; at++) {
    const bytes = nameOffsets[at + 1]! - nameOffsets[at]!;
    // A character has up to three bytes for each unit; most have one.
    if (bytes < folded.length - distanceMax || bytes > 3 * (folded.length + distanceMax)) continue;
    // Most are told apart by their letters: a change brings one and takes one at most.
    const others = letters === undefined ? undefined : lettersOf(names, nameOffsets[at]!, nameOffsets[at + 1]!);
    if (others !== undefined && bitsOf(letters! ^ others) > 2 * distanceMax) continue;
    const distance = editDistanceWithin(folded, foldCase(segment.name(at)), distanceMax);
    if (distance !== undefined) found.set(at, 0.7 * (1 - distance / folded.length));
  }
  return found;
}

/** Which letters there are, in either case, as bits; undefined where not all of it is ASCII. */
function lettersOf(bytes: Uint8Array, from: number, to: number): number | undefined {
  let letters = 0;
  for (let at = from; at < to; at++) {
    if (bytes[at]! > 0x7f) return undefined;
    letters |= 1 << (bytes[at]! & 31);
  }
  return letters;
}

function bitsOf(letters: number): number {
  let count = 0;
  for (let left = letters; left !== 0; left &= left - 1) count += 1;
  return count;
}
