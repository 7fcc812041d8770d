// `{name:Type}` in a statement: the values that come beside it, as literals of their types. Never parameters of the engine's own: it runs
// statements that have some one after the other.

import { quoteString } from '../clickhouse/sql-text.ts';
import { QueryRefused, type Token, tokenize } from './confinement.ts';
import { isPlainType } from './functions.ts';

/** A piece of the text, and what stands there instead. */
export interface Edit {
  start: number;
  end: number;
  text: string;
}

/** The statement with the values of its parameters. */
export function withParameters(text: string, parameters: Readonly<Record<string, string>>): string {
  return edited(text, parameterValues(text, tokenize(text), parameters));
}

export function edited(text: string, edits: readonly Edit[]): string {
  let [out, at] = ['', 0];
  for (const edit of edits.toSorted((a, b) => a.start - b.start)) {
    out += text.slice(at, edit.start) + edit.text;
    at = edit.end;
  }
  return out + text.slice(at);
}

export const endOf = (token: Token) => token.start + token.text.length;

/** `{name:Type}` as a literal of the type. */
export function parameterValues(
  text: string,
  tokens: readonly Token[],
  parameters: Readonly<Record<string, string>>,
): Edit[] {
  return tokens.flatMap((token, at) => {
    if (token.text !== '{') return [];
    const end = tokens.find(({ text: sign }, index) => index > at && sign === '}');
    const [name, colon] = tokens.slice(at + 1, at + 3);
    const type = end && colon ? text.slice(endOf(colon), end.start).trim() : '';
    if (!end || name?.kind !== 'word' || colon?.text !== ':' || type === '' || !isPlainType(type)) {
      throw new QueryRefused('a parameter is {name:Type}, of a type of plain values');
    }
    if (!Object.hasOwn(parameters, name.text)) throw new QueryRefused(`the parameter ${name.text} has no value`);
    const value = unescaped(parameters[name.text]!, type);
    return [{ start: token.start, end: endOf(end), text: literalOf(value, type) }];
  });
}

function literalOf(value: string | null, type: string): string {
  const ofType = (literal: string, as: string) => `CAST(${literal}, ${quoteString(as)})`;
  if (value === null) return ofType('NULL', type);
  const entry = /^Map\((.*)\)$/s.exec(type)?.[1];
  // ClickHouse makes no Map of a text, but one of a list of pairs.
  return entry === undefined
    ? ofType(quoteString(value), type)
    : ofType(ofType(quoteString(pairs(value)), `Array(Tuple(${entry}))`), type);
}

/** `{k:v,…}` as `[(k,v),…]`. */
function pairs(text: string): string {
  if (/^\s*\{\s*\}\s*$/.test(text)) return '[]';
  let depth = 0;
  const edits = tokenize(text).flatMap((token): Edit[] => {
    const edit = (by: string) => [{ start: token.start, end: endOf(token), text: by }];
    if (/^[)\]}]$/.test(token.text)) depth -= 1;
    else if (/^[([{]$/.test(token.text)) depth += 1;
    if (token.text === '{' && depth === 1) return edit('[(');
    if (token.text === '}' && depth === 0) return edit(')]');
    if (token.text === ':' && depth === 1) return edit(',');
    return token.text === ',' && depth === 1 ? edit('),(') : [];
  });
  return edited(text, edits);
}

const named: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', b: '\b', f: '\f', 0: '\0' };

/** Of composed types the text is the type's own. */
function unescaped(value: string, type: string): string | null {
  if (value === '\\N') return null;
  if (/^(?:Array|Tuple|Map)\(/.test(type)) return value;
  return value.replace(/\\(.)/gs, (_, character: string) => named[character] ?? character);
}
