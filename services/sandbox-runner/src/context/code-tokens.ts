// The terms of code and prose, as they are indexed and asked for.
//
// 1. An identifier is one term, and each of its words is one: `parseHTTPRequest`, and `parse_http_request` as well, give parsehttprequest,
//    parse, http, request.
// 2. Terms are lower case, of `termLengthMax` UTF-16 units at most. What is longer is no word that anybody asks for (a hash, base64) and gives
//    none; a single character of ASCII gives none either.
// 3. Text that is written without spaces gives each pair of neighbouring characters.
// 4. One pass, whatever the text is.

export const termLengthMax = 64;

/** Calls `take` for each term, in order. */
export function forEachTerm(text: string, take: (term: string) => void): void {
  const { length } = text;
  let at = 0;
  while (at < length) {
    if (!isWordUnit(text.charCodeAt(at))) {
      at += 1;
      continue;
    }
    const start = at;
    while (at < length && isWordUnit(text.charCodeAt(at))) at += 1;
    if (at - start <= termLengthMax) takeWord(text.slice(start, at), take);
    else if (isUnspaced(text.codePointAt(start)!)) takePairs(text.slice(start, at), take);
  }
}

export function termsOf(text: string): string[] {
  const terms: string[] = [];
  forEachTerm(text, (term) => terms.push(term));
  return terms;
}

/** The words of a name, without the whole. */
export function wordsOf(name: string): string[] {
  return name.split('_').flatMap(camelWords);
}

function takeWord(word: string, take: (term: string) => void): void {
  if (/[^\x00-\x7f]/.test(word) && isUnspaced(word.codePointAt(0)!)) {
    takePairs(word, take);
    return;
  }
  const name = word.replace(/^_+|_+$/g, '');
  if (name.length < 2) {
    if (name !== '' && name.charCodeAt(0) > 0x7f) take(name.toLowerCase());
    return;
  }
  take(bounded(name));
  // Most words are one.
  if (/^(?:[a-z]+|[A-Z]+|[0-9]+)$/.test(name)) return;
  const words = wordsOf(name);
  if (words.length < 2) return;
  for (const one of words) if (one.length > 1 || one.charCodeAt(0) > 0x7f) take(one);
}

/** Lower case can be longer. */
function bounded(name: string): string {
  return name.replaceAll('_', '').toLowerCase().slice(0, termLengthMax);
}

const wordPattern = /\p{Lu}+(?!\p{Ll})|\p{Lu}?[\p{Ll}\p{Lo}\p{Lm}\p{M}]+|\p{N}+|[^\p{L}\p{N}]+/gu;

function camelWords(text: string): string[] {
  return (text.match(wordPattern) ?? []).map((word) => word.toLowerCase());
}

function takePairs(text: string, take: (term: string) => void): void {
  const characters = Array.from(text.toLowerCase());
  if (characters.length === 1) take(characters[0]!);
  for (let at = 1; at < characters.length; at++) take(characters[at - 1]! + characters[at]!);
}

function isWordUnit(unit: number): boolean {
  if (unit < 0x80) {
    return (unit >= 97 && unit <= 122) || (unit >= 65 && unit <= 90) || (unit >= 48 && unit <= 57) || unit === 95;
  }
  // Beyond ASCII: all but spaces, and the punctuation of other scripts.
  if (unit === 0x85 || unit === 0xa0 || unit === 0xfeff) return false;
  return (
    !(unit >= 0x2000 && unit <= 0x206f) && !(unit >= 0x3000 && unit <= 0x3004) && !(unit >= 0x3007 && unit <= 0x3020)
  );
}

/** Han, kana, hangul, Thai, Lao, Khmer, Burmese. */
function isUnspaced(point: number): boolean {
  return (
    (point >= 0x3040 && point <= 0x30ff) ||
    (point >= 0x3400 && point <= 0x9fff) ||
    (point >= 0xac00 && point <= 0xd7af) ||
    (point >= 0xf900 && point <= 0xfaff) ||
    (point >= 0xff66 && point <= 0xff9d) ||
    (point >= 0x0e00 && point <= 0x0eff) ||
    (point >= 0x1000 && point <= 0x109f) ||
    (point >= 0x1780 && point <= 0x17ff) ||
    (point >= 0x20000 && point <= 0x3ffff)
  );
}
