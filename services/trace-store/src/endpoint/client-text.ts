// What one of ClickHouse's own clients sends, taken apart: its format, its settings, its parameters, and the statement alone.
//
// The text is the one that ClickHouse's formatter wrote. What comes out is checked like every tenant's statement: nothing here makes it safe.

import { QueryRefused, type Token, tokenize } from '../query/confinement.ts';
import { edited, type Edit, endOf, parameterValues } from '../query/parameters.ts';
import { handshakeDatabase, handshakeFunctions, handshakeViews } from './handshake.ts';

export interface ClientText {
  statement: string;
  format: string | undefined;
  settings: Record<string, string>;
}

/** @param parameters by name, escaped as in TabSeparated */
export function takeApart(text: string, parameters: Readonly<Record<string, string>>): ClientText {
  const { body, format, settings } = withoutOutput(text);
  const tokens = tokenize(body);
  return {
    statement: ownRows(edited(body, [...parameterValues(body, tokens, parameters), ...ownNames(tokens)])),
    format,
    settings,
  };
}

const isWord = (token: Token | undefined, word: string) => token?.kind === 'word' && token.text.toUpperCase() === word;

/** FORMAT and SETTINGS at the end, in either order; within parentheses they stay, and are refused. */
function withoutOutput(text: string): { body: string; format: string | undefined; settings: Record<string, string> } {
  const tokens = tokenize(text);
  const clause = (word: string) => {
    let depth = 0;
    return tokens.findIndex((token, index) => {
      if (/^[([]$/.test(token.text)) depth += 1;
      if (/^[)\]]$/.test(token.text)) depth -= 1;
      return depth === 0 && isWord(token, word) && tokens[index - 1]?.text !== '.' && tokens[index + 1]?.text !== '(';
    });
  };
  const [formatAt, settingsAt] = [clause('FORMAT'), clause('SETTINGS')];
  const starts = [formatAt, settingsAt].filter((at) => at >= 0).map((at) => tokens[at]!.start);
  const body = text.slice(0, Math.min(text.length, ...starts));
  const format = formatAt >= 0 ? tokens[formatAt + 1]?.text : undefined;
  if (settingsAt < 0) return { body, format, settings: {} };
  const end = formatAt > settingsAt ? tokens[formatAt]!.start : text.length;
  return { body, format, settings: settingsOf(text.slice(endOf(tokens[settingsAt]!), end)) };
}

function settingsOf(list: string): Record<string, string> {
  const pairs = list.split(',').map((pair) => /^\s*(\w+) = (?:'([^'\\]*)'|(-?[\w.]+))\s*$/.exec(pair));
  if (pairs.includes(null)) throw new QueryRefused('SETTINGS are given as name = value');
  return Object.fromEntries(pairs.map((pair) => [pair![1]!, pair![2] ?? pair![3]!]));
}

/**
 * What clients ask of a server: its tables become views of ours, its functions what they say. A column may be named with its table, also where
 * that has another name here.
 */
function ownNames(tokens: readonly Token[]): Edit[] {
  const aliases = new Map<string, string>();
  const tables = new Map<Token, string>();
  for (const [at, token] of tokens.entries()) {
    const view = tokens[at + 1]?.text === '.' ? viewOf(bare(token) ?? '', bare(tokens[at + 2]) ?? '') : undefined;
    if (view === undefined || tokens[at - 1]?.text === '.') continue;
    const alias = tokens[at + 3]?.text.toUpperCase() === 'AS' ? bare(tokens[at + 4]) : undefined;
    const isTable =
      ['FROM', 'JOIN', ','].includes(tokens[at - 1]?.text.toUpperCase() ?? '') && tokens[at + 3]?.text !== '.';
    if (isTable && alias !== undefined) aliases.set(view, alias);
    if (isTable || tokens[at + 3]?.text === '.') tables.set(token, view);
  }
  return tokens.flatMap((token, at) => {
    const [before, dot, second] = [tokens[at - 1], tokens[at + 1], tokens[at + 2]];
    const view = tables.get(token);
    if (view !== undefined) {
      const text = tokens[at + 3]?.text === '.' ? (aliases.get(view) ?? view) : view;
      return [{ start: token.start, end: endOf(second!), text }];
    }
    const said =
      token.kind === 'word' && before?.text !== '.' ? handshakeFunctions[token.text.toLowerCase()] : undefined;
    if (said === undefined || dot?.text !== '(' || second?.text !== ')') return [];
    return [{ start: token.start, end: endOf(second), text: said }];
  });
}

/** Rows that stand in the statement: `VALUES ((1, 'a'), …)` has columns c1, c2, …. */
function ownRows(text: string): string {
  const tokens = tokenize(text);
  const edits = tokens.flatMap((token, at): Edit[] => {
    const isRows = isWord(token, 'VALUES') && isWord(tokens[at - 1], 'FROM') && tokens[at + 2]?.text === '(';
    const [end, rowEnd] = isRows ? [closing(tokens, at + 1), closing(tokens, at + 2)] : [];
    if (end === undefined || rowEnd === undefined) return [];
    let columns = 1;
    for (let index = at + 3; index < rowEnd; index++) {
      if (/^[([]$/.test(tokens[index]!.text)) index = closing(tokens, index) ?? rowEnd;
      else if (tokens[index]!.text === ',') columns += 1;
    }
    const list = text.slice(endOf(tokens[at + 1]!), tokens[end]!.start);
    const names = Array.from({ length: columns }, (_, column) => `tupleElement(r, ${column + 1}) AS c${column + 1}`);
    const rows = `(SELECT ${names.join(', ')} FROM (SELECT arrayJoin([${list}]) AS r))`;
    return [{ start: token.start, end: endOf(tokens[end]!), text: rows }];
  });
  return edited(text, edits);
}

/** Which token closes what this one opens. */
function closing(tokens: readonly Token[], at: number): number | undefined {
  let depth = 0;
  const end = tokens.findIndex(({ text }, index) => {
    if (index < at) return false;
    if (/^[([]$/.test(text)) depth += 1;
    if (/^[)\]]$/.test(text)) depth -= 1;
    return depth === 0;
  });
  return end < 0 ? undefined : end;
}

function viewOf(database: string, table: string): string | undefined {
  if (database === handshakeDatabase) return table;
  const asked = `${database}.${table}`.toLowerCase();
  return handshakeViews.find((view) => view.table === asked)?.name;
}

const bare = (token: Token | undefined) =>
  token?.kind === 'word' ? token.text : token?.kind === 'quoted' ? token.text.slice(1, -1) : undefined;
