// Text from anywhere as it may stand on a terminal, and how many columns it takes there.

import { stripVTControlCharacters } from 'node:util';

const controls = /[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/gu;
const wide =
  /\p{Extended_Pictographic}|\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{20000}-\u{3fffd}]/u;
const nothing = /^[\p{Mark}\p{Default_Ignorable_Code_Point}]+$/u;
const plain = /^[ -~]*$/;
const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** One line without anything a terminal would act on: what comes from a sandbox must not move the cursor. */
export function visible(text: string): string {
  return stripVTControlCharacters(text)
    .replaceAll(/[\t\r\n]+/g, ' ')
    .replaceAll(controls, '\ufffd');
}

/** The same with its line breaks, and spaces for its tabs: for text that comes in pieces, which may end within a sequence. */
export function visibleLines(text: string): string {
  return text
    .replaceAll('\r\n', '\n')
    .replaceAll('\t', '  ')
    .split('\n')
    .map((line) => stripVTControlCharacters(line).replaceAll(controls, '\ufffd'))
    .join('\n');
}

export function widthOf(text: string): number {
  if (plain.test(text)) return text.length;
  let width = 0;
  for (const { segment } of graphemes.segment(text)) width += graphemeWidth(segment);
  return width;
}

function graphemeWidth(grapheme: string): number {
  if (nothing.test(grapheme)) return 0;
  return wide.test(grapheme) ? 2 : 1;
}

/** At most so many columns; what is cut ends with an ellipsis. */
export function cutTo(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  let cut = '';
  let width = 0;
  for (const { segment } of graphemes.segment(text)) {
    width += graphemeWidth(segment);
    if (width > columns - 1) break;
    cut += segment;
  }
  return columns > 0 ? `${cut}…` : '';
}

/** Pieces of at most so many columns, at most so many of them; what is cut ends with an ellipsis. */
export function wrapTo(text: string, columns: number, piecesMax: number): string[] {
  const pieces: string[] = [];
  let from = 0;
  let width = 0;
  for (const { segment, index } of graphemes.segment(text)) {
    const wider = graphemeWidth(segment);
    if (width + wider > columns && pieces.length < piecesMax - 1) {
      pieces.push(text.slice(from, index));
      from = index;
      width = 0;
    }
    width += wider;
  }
  return [...pieces, cutTo(text.slice(from), columns)];
}

export function padTo(text: string, columns: number, align: 'left' | 'right'): string {
  const padding = ' '.repeat(Math.max(0, columns - widthOf(text)));
  return align === 'right' ? padding + text : text + padding;
}
