// Finds symbols, text and files of a commit.
//
// 1. Every score lies between 0 and 1, so that the three can stand in one list. For text it is BM25 as a part of what the query could reach at
//    most; for a symbol or path, how much of the query (by the weight of its terms in this commit) its name covers, and how exactly.
// 2. It depends on the commit and the query alone: what else is in the segments does not count.
// 3. Lines of a hit are those that its snippet shows. No two hits show the same lines.

import type { ContextHit, ContextKind } from '@worktrail/contract/context';
import { createBest } from './best.ts';
import { termsOf, wordsOf } from './code-tokens.ts';
import type { CommitView } from './commit-view.ts';
import { editDistanceWithin } from './edit-distance.ts';
import { pathMatcher } from './path-pattern.ts';
import { forEachPosting } from './postings.ts';
import { foldCase } from './segment-builder.ts';
import type { Segment } from './segment.ts';
import { chunkField, chunkFields, symbolField, symbolFields } from './segment-format.ts';
import { linesOf } from './text-chunks.ts';

export interface ViewQuery {
  query: string;
  limit: number;
  kinds: readonly ContextKind[];
  path: string | null;
  language: string | null;
}

interface Candidate {
  kind: ContextKind;
  score: number;
  /** In the view's files. */
  path: number;
  /** Of text: the chunk. Of a symbol: its definition. Of a file: none. */
  lines: { first: number; last: number } | null;
  symbol?: NonNullable<ContextHit['symbol']>;
}

const termsMax = 32;
const identifiersMax = 8;
const k1 = 1.2;
const b = 0.75;
/** Hits of one kind that are looked at for each that is wanted: some show the same lines, or are of one file. */
const spare = 4;
const textPerFileMax = 3;
const pathsPerBlobMax = 3;
const snippetLinesMax = 12;
const lineLengthMax = 300;

export function searchView(view: CommitView, asked: ViewQuery): ContextHit[] {
  const query = weigh(view, asked.query);
  const accepts = createFilter(view, asked);
  const countMax = asked.limit * spare;
  const finders = { symbol: findSymbols, text: findText, file: findFiles };
  const found = asked.kinds.flatMap((kind) => finders[kind](view, query, accepts, countMax));
  const chosen = choose(
    found.toSorted((one, two) => two.score - one.score || compareWhere(view, one, two)),
    asked.limit,
  );
  return chosen.map((candidate) => show(view, candidate, query));
}

interface WeighedQuery {
  text: string;
  /** Names in it as they were written. */
  identifiers: { name: string; terms: string[]; words: string[] }[];
  /** By term: how much finding it says. */
  weights: Map<string, number>;
  total: number;
  /** By term and segment: the commit's chunks that have it, each followed by how often. */
  chunks: Map<string, number[][]>;
}

function weigh(view: CommitView, text: string): WeighedQuery {
  const terms = [...new Set(termsOf(text))].slice(0, termsMax);
  const weights = new Map<string, number>();
  const chunks: WeighedQuery['chunks'] = new Map();
  let total = 0;
  for (const term of terms) {
    const bytes = Buffer.from(term);
    let count = 0;
    const lists = view.segments.map(({ segment, firstPath }) => {
      const { chunkTable, terms: postings } = segment.index;
      const list: number[] = [];
      forEachPosting(postings, bytes, (chunk, times) => {
        if (firstPath[chunkTable[chunk * chunkFields + chunkField.file]!]! >= 0) list.push(chunk, times);
      });
      count += list.length / 2;
      return list;
    });
    const weight = Math.log(1 + (view.chunks - count + 0.5) / (count + 0.5));
    weights.set(term, weight);
    chunks.set(term, lists);
    total += weight;
  }
  const names = (text.match(/[\p{L}\p{N}_$]+/gu) ?? []).slice(0, identifiersMax);
  const identifiers = names.map((name) => ({ name, terms: termsOf(name), words: wordsOf(name) }));
  return { text: text.trim(), identifiers, weights, total, chunks };
}

type Filter = (path: number) => boolean;

function createFilter(view: CommitView, { path, language }: ViewQuery): Filter {
  const isWanted = path === null ? () => true : pathMatcher(path);
  const known = new Int8Array(view.files.length);
  return (number) => {
    if (known[number] === 0) {
      const isOne =
        isWanted(view.files[number]!.path) && (language === null || view.files[number]!.language === language);
      known[number] = isOne ? 1 : -1;
    }
    return known[number] === 1;
  };
}

/** Each path of a file that is wanted, a few at most. */
function pathsOf(view: CommitView, first: number, accepts: Filter): number[] {
  const paths: number[] = [];
  for (let path = first; path >= 0 && paths.length < pathsPerBlobMax; path = view.nextPath[path]!) {
    if (accepts(path)) paths.push(path);
  }
  return paths;
}

/** In the commit, whichever segment has it. */
function placeOf(path: number, line: number): number {
  return path * 2 ** 21 + line;
}

function findText(view: CommitView, query: WeighedQuery, accepts: Filter, countMax: number): Candidate[] {
  const best = createBest<{ segment: number; chunk: number }>(countMax);
  for (const [segmentNumber, { segment, firstPath }] of view.segments.entries()) {
    const { chunkTable } = segment.index;
    const scores = new Float64Array(chunkTable.length / chunkFields);
    for (const [term, weight] of query.weights) {
      const list = query.chunks.get(term)![segmentNumber]!;
      for (let at = 0; at < list.length; at += 2) {
        const [chunk, count] = [list[at]!, list[at + 1]!];
        const length = chunkTable[chunk * chunkFields + chunkField.terms]! / view.termsPerChunk;
        scores[chunk]! += (weight * count * (k1 + 1)) / (count + k1 * (1 - b + b * length));
      }
    }
    for (let chunk = 0; chunk < scores.length; chunk++) {
      const score = scores[chunk]!;
      if (score === 0) continue;
      const field = (which: number) => chunkTable[chunk * chunkFields + which]!;
      const first = firstPath[field(chunkField.file)]!;
      const place = placeOf(first, field(chunkField.firstLine));
      if (!best.takes(score, place) || pathsOf(view, first, accepts).length === 0) continue;
      best.add(score, place, { segment: segmentNumber, chunk });
    }
  }
  const most = query.total * (k1 + 1);
  return best.list().flatMap(({ score, value: { segment, chunk } }) => {
    const { segment: of, firstPath } = view.segments[segment]!;
    const [file = 0, first = 0, last = 0] = of.index.chunkTable.subarray(
      chunk * chunkFields,
      (chunk + 1) * chunkFields,
    );
    return pathsOf(view, firstPath[file]!, accepts).map((path): Candidate => {
      return { kind: 'text', score: score / most, path, lines: { first, last } };
    });
  });
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

/** Of the query's weight. */
function shareOf(query: WeighedQuery, terms: readonly string[]): number {
  if (query.total === 0) return query.identifiers.length === 1 ? 1 : 0;
  return new Set(terms).values().reduce((sum, term) => sum + (query.weights.get(term) ?? 0), 0) / query.total;
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

function findSymbols(view: CommitView, query: WeighedQuery, accepts: Filter, countMax: number): Candidate[] {
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

function findFiles(view: CommitView, query: WeighedQuery, accepts: Filter, countMax: number): Candidate[] {
  const shares = new Map<number, number>();
  const paths = view.pathTerms();
  for (const [term, weight] of query.weights) {
    for (const path of paths.get(term) ?? []) shares.set(path, (shares.get(path) ?? 0) + weight / query.total);
  }
  const best = createBest<number>(countMax);
  for (const [path, share] of shares) {
    if (share < 0.3) continue;
    const score = scoreOfPath(view.files[path]!.path, query, share);
    if (best.takes(score, path) && accepts(path)) best.add(score, path, path);
  }
  return best.list().map(({ score, value: path }): Candidate => ({ kind: 'file', score, path, lines: null }));
}

function scoreOfPath(path: string, query: WeighedQuery, share: number): number {
  const asked = foldCase(query.text);
  const folded = foldCase(path);
  const name = folded.slice(folded.lastIndexOf('/') + 1);
  const stem = name.includes('.', 1) ? name.slice(0, name.indexOf('.', 1)) : name;
  if (folded === asked || name === asked || folded.endsWith(`/${asked}`)) return 0.98;
  if (stem === asked) return 0.9;
  const terms = new Set(termsOf(name));
  const matched = terms
    .values()
    .filter((term) => query.weights.has(term))
    .toArray().length;
  return share * (0.4 + 0.4 * (terms.size === 0 ? 0 : matched / terms.size));
}

function compareWhere(view: CommitView, one: Candidate, two: Candidate): number {
  const [first, second] = [view.files[one.path]!.path, view.files[two.path]!.path];
  if (first === second) return (one.lines?.first ?? 0) - (two.lines?.first ?? 0);
  return first.length - second.length || (first < second ? -1 : 1);
}

/** The best ones, without text that another one shows. */
function choose(candidates: readonly Candidate[], limit: number): Candidate[] {
  const chosen: Candidate[] = [];
  const texts = new Map<number, number>();
  for (const candidate of candidates) {
    if (chosen.length === limit) break;
    if (candidate.kind === 'text') {
      const count = texts.get(candidate.path) ?? 0;
      const isShown = chosen.some(
        (one) => one.kind === 'symbol' && one.path === candidate.path && overlaps(one, candidate),
      );
      if (count >= textPerFileMax || isShown) continue;
      texts.set(candidate.path, count + 1);
    }
    chosen.push(candidate);
  }
  return chosen;
}

function overlaps({ lines: one }: Candidate, { lines: two }: Candidate): boolean {
  return one !== null && two !== null && one.first <= two.last && two.first <= one.last;
}

function show(view: CommitView, { kind, score, path, lines, symbol }: Candidate, query: WeighedQuery): ContextHit {
  const { path: shownPath, blob, language } = view.files[path]!;
  const at = view.place.segment[path]!;
  const text = at < 0 ? [] : linesOf(view.segments[at]!.segment.text(view.place.file[path]!));
  const whole = lines ?? { first: Math.min(1, text.length), last: text.length };
  const shown = kind === 'text' ? window(text, whole, query) : whole;
  const last = Math.min(shown.last, shown.first + snippetLinesMax - 1);
  return {
    ...{ kind, path: shownPath, firstLine: shown.first, lastLine: last, blob },
    score: Math.round(score * 10_000) / 10_000,
    language,
    snippet:
      shown.first === 0
        ? ''
        : text
            .slice(shown.first - 1, last)
            .map(cut)
            .join('\n'),
    ...(symbol && { symbol }),
  };
}

/** The lines of a chunk that say most of what was asked for. */
function window(text: readonly string[], { first, last }: { first: number; last: number }, query: WeighedQuery) {
  if (last - first < snippetLinesMax) return { first, last };
  const worth: number[] = [];
  for (let line = first; line <= last; line++) {
    const terms = new Set(termsOf(text[line - 1] ?? ''));
    worth.push(terms.values().reduce((sum, term) => sum + (query.weights.get(term) ?? 0), 0));
  }
  let sum = worth.slice(0, snippetLinesMax).reduce((one, two) => one + two, 0);
  let best = { at: 0, sum };
  for (let at = 1; at + snippetLinesMax <= worth.length; at++) {
    sum += worth[at + snippetLinesMax - 1]! - worth[at - 1]!;
    if (sum > best.sum + 1e-9) best = { at, sum };
  }
  return { first: first + best.at, last: first + best.at + snippetLinesMax - 1 };
}

function cut(line: string): string {
  return line.length > lineLengthMax ? `${line.slice(0, lineLengthMax).toWellFormed()}…` : line;
}
