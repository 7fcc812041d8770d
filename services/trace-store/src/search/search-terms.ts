// What is searched for: words, "phrases" and beginnings*. All of them have to be found.
//
// 1. Words are those of ClickHouse's text index: letters and digits of ASCII, and whatever is not ASCII; ASCII has no case.
// 2. What holds several words with something between them ("src/a.ts") is a phrase: it is looked for as it stands.

import { Code, ConnectError } from '@connectrpc/connect';

export interface Terms {
  /** Each is in the text as a whole word. */
  words: string[];
  /** Each begins a word of the text. */
  beginnings: string[];
  /** Each is in the text as it stands, but for the case of ASCII. */
  phrases: string[];
}

/** The words of a text in which ASCII has no upper case. */
export const wordPattern = /[0-9a-z\u0080-\u{10ffff}]+/gu;

const termsMax = 20;
const beginningLengthMin = 2;

/** @throws ConnectError INVALID_ARGUMENT */
export function parseTerms(q: string): Terms {
  const terms: Terms = { words: [], beginnings: [], phrases: [] };
  const given = [...lowerAscii(q).matchAll(/"([^"]*)"?|[^\s"]+/g)];
  if (given.length > termsMax) throw refused(`has over ${termsMax} terms`);
  for (const [term, quoted] of given) {
    const text = (quoted ?? term.replace(/\*+$/, '')).trim();
    const words = text.match(wordPattern) ?? [];
    const isBeginning = quoted === undefined && term.endsWith('*') && text.endsWith(words.at(-1) ?? '');
    if (words.length === 0) continue;
    if (isBeginning) terms.beginnings.push(words.pop()!);
    terms.words.push(...words);
    if (words.length + (isBeginning ? 1 : 0) > 1 || (quoted !== undefined && text !== words[0]))
      terms.phrases.push(text);
  }
  if (terms.words.length + terms.beginnings.length === 0) throw refused('must have a letter or digit');
  if (terms.beginnings.some((beginning) => beginning.length < beginningLengthMin))
    throw refused(`what ends with * must have ${beginningLengthMin} letters or digits before it`);
  return terms;
}

export function lowerAscii(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

function refused(why: string): ConnectError {
  return new ConnectError(`q: ${why}`, Code.InvalidArgument);
}
