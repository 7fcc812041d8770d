// Text of files, programs and models as it may be shown and stored: nothing in it that a terminal would act on, and bounded.

import { stripVTControlCharacters } from 'node:util';

/** One line of at most so many characters. */
export function oneLine(text: string, lengthMax: number): string {
  const plain = stripVTControlCharacters(text)
    .replaceAll(/[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .toWellFormed()
    .trim();
  return cutText(plain, lengthMax);
}

/** Line for line, with what they begin with; at most so many characters in all. */
export function plainText(text: string, lengthMax: number): string {
  const plain = stripVTControlCharacters(text)
    .replaceAll(/\r\n?/g, '\n')
    .replaceAll(/[\p{Bidi_Control}\p{Zl}\p{Zp}]|(?![\n\t])\p{Cc}/gu, '\ufffd')
    .toWellFormed();
  return cutText(plain, lengthMax);
}

export function cutText(text: string, lengthMax: number): string {
  return text.length <= lengthMax ? text : `${text.slice(0, lengthMax - 1).toWellFormed()}…`;
}
