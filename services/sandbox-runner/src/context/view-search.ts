// Finds symbols, text and files of a commit.
//
// 1. Every score lies between 0 and 1, so that the three can stand in one list.
// 2. It depends on the commit and the query alone: what else is in the segments does not count.
// 3. Lines of a hit are those that its snippet shows. Text that is of a symbol which is a better hit is left out.

import type { ContextHit, ContextKind } from '@worktrail/contract/context';
import { type Candidate, createFilter } from './candidates.ts';
import { termsOf } from './code-tokens.ts';
import type { CommitView } from './commit-view.ts';
import { findFiles } from './find-files.ts';
import { findSymbols } from './find-symbols.ts';
import { findText } from './find-text.ts';
import { linesOf } from './text-chunks.ts';
import { weigh, type WeighedQuery } from './weighed-query.ts';

export interface ViewQuery {
  query: string;
  limit: number;
  kinds: readonly ContextKind[];
  path: string | null;
  language: string | null;
}

/** Hits of one kind that are looked at for each that is wanted: some show the same lines, or are of one file. */
const spare = 4;
const textPerFileMax = 3;
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

function compareWhere(view: CommitView, one: Candidate, two: Candidate): number {
  const [first, second] = [view.files[one.path]!.path, view.files[two.path]!.path];
  if (first === second) return (one.lines?.first ?? 0) - (two.lines?.first ?? 0);
  return first.length - second.length || (first < second ? -1 : 1);
}

/** The best ones, without text that a better one shows. */
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
