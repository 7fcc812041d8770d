// What is shown of a text in which something was found: a piece of it, as it stands, and where in it the terms are.

import { lowerAscii, type Terms, wordPattern } from './search-terms.ts';

export interface Excerpt {
  text: string;
  /** In order, apart from each other. Offsets count UTF-16 code units of `text`, `to` is not included. */
  highlights: Range[];
}

interface Range {
  from: number;
  to: number;
}

const beforeLength = 120;
const lengthMax = 400;
/** So far a piece is moved to begin or end between words. */
const wordLengthMax = 30;

/** Bytes that are no UTF-8 are shown as U+FFFD. */
export function excerptOf(bytes: Uint8Array, terms: Terms): Excerpt {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
  const found = rangesOf(lowerAscii(text), terms);
  const { from, to } = pieceOf(text, found[0]?.from ?? 0);
  const highlights = found
    // What is cut off is not marked, unless it is all there is.
    .filter((range, index) => index === 0 || range.to <= to)
    .map((range) => ({ from: range.from - from, to: Math.min(range.to, to) - from }));
  return { text: text.slice(from, to), highlights };
}

function rangesOf(lower: string, { words, beginnings, phrases }: Terms): Range[] {
  const ranges: Range[] = [];
  for (const { 0: word, index: from } of lower.matchAll(wordPattern)) {
    if (words.includes(word) || beginnings.some((beginning) => word.startsWith(beginning)))
      ranges.push({ from, to: from + word.length });
  }
  for (const phrase of phrases) {
    for (let from = lower.indexOf(phrase); from >= 0; from = lower.indexOf(phrase, from + phrase.length))
      ranges.push({ from, to: from + phrase.length });
  }
  const joined: Range[] = [];
  for (const range of ranges.toSorted((a, b) => a.from - b.from)) {
    const last = joined.at(-1);
    if (last && range.from <= last.to) last.to = Math.max(last.to, range.to);
    else joined.push({ ...range });
  }
  return joined;
}

function pieceOf(text: string, found: number): Range {
  let from = Math.max(0, found - beforeLength);
  if (from > 0) {
    const space = text.slice(from, Math.min(from + wordLengthMax, found)).search(/\s/);
    from += space >= 0 ? space + 1 : 0;
  }
  let to = Math.min(text.length, from + lengthMax);
  if (to < text.length) {
    const space = text.slice(to - wordLengthMax, to).search(/\s\S*$/);
    to -= space >= 0 ? wordLengthMax - space : 0;
  }
  return { from: betweenCharacters(text, from), to: betweenCharacters(text, to) };
}

/** Not within a pair of surrogates. */
function betweenCharacters(text: string, at: number): number {
  const isWithin = /^[\udc00-\udfff]/.test(text.slice(at, at + 1)) && /[\ud800-\udbff]$/.test(text.slice(0, at));
  return isWithin ? at - 1 : at;
}
