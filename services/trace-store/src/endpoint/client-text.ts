// What one of ClickHouse's own clients sends, taken apart: its format, its settings, its parameters, and the statement alone.
//
// The text is the one that ClickHouse's formatter wrote. What comes out is checked like every tenant's statement: nothing here makes it safe.

import { QueryRefused, type Token, tokenize } from '../query/confinement.ts';
import { edited, type Edit, endOf, parameterValues } from '../query/parameters.ts';
import { quoteString } from '../clickhouse/sql-text.ts';
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
    statement: edited(body, [...parameterValues(body, tokens, parameters), ...ownNames(tokens)]),
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

/** What clients ask of a server: its tables become views of ours, its functions what they say. */
function ownNames(tokens: readonly Token[]): Edit[] {
  return tokens.flatMap((token, at) => {
    const [before, dot, second] = [tokens[at - 1], tokens[at + 1], tokens[at + 2]];
    const [name, table] = [bare(token), bare(second)];
    if (dot?.text === '.' && table !== undefined && ['FROM', 'JOIN', ','].includes(before?.text.toUpperCase() ?? '')) {
      const view = viewOf(name ?? '', table);
      return view === undefined ? [] : [{ start: token.start, end: endOf(second!), text: view }];
    }
    const said =
      token.kind === 'word' && before?.text !== '.' ? handshakeFunctions[token.text.toLowerCase()] : undefined;
    if (said === undefined || dot?.text !== '(' || second?.text !== ')') return [];
    return [{ start: token.start, end: endOf(second), text: quoteString(said) }];
  });
}

function viewOf(database: string, table: string): string | undefined {
  if (database === handshakeDatabase) return table;
  const asked = `${database}.${table}`.toLowerCase();
  return handshakeViews.find((view) => view.table === asked)?.name;
}

const bare = (token: Token | undefined) =>
  token?.kind === 'word' ? token.text : token?.kind === 'quoted' ? token.text.slice(1, -1) : undefined;
