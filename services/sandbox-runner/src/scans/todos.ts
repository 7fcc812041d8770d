// What somebody left to do, as comments say it: TODO, FIXME, HACK, XXX, BUG.
//
// 1. A marker counts where it begins a comment, or has a colon or a name in brackets after it; in a string, or in the middle of a sentence, it
//    is a word like any other.
// 2. It is known by what it says: the same words twice in one file are one finding with two places.

import type { Finding } from '@worktrail/contract/suggestions';
import { oneLine } from '@worktrail/runtime/plain-text';
import { evidenceOf, finding, lineLengthMax, type ScannedFile, whereOf } from './scanned-file.ts';

interface Todo {
  marker: string;
  text: string;
  firstLine: number;
  lastLine: number;
}

const scores: Record<string, number> = { FIXME: 0.7, BUG: 0.7, HACK: 0.55, XXX: 0.55, TODO: 0.5 };
const marked = /(?:^|[^\w$.-])@?(TODO|FIXME|HACK|XXX|BUG)(?![\w$-])(?:\(([^()]{0,60})\))?(:?)/;
const continuedLinesMax = 8;
const textLengthMax = 600;
const todosPerFileMax = 500;

const slash = new Set(
  (
    'typescript tsx javascript go rust java c cpp csharp php kotlin swift scala dart zig groovy gradle protobuf objective-c css scss less ' +
    'terraform hcl vue svelte graphql'
  ).split(' '),
);
const hash = new Set(
  'python ruby shell r perl elixir yaml toml dockerfile makefile cmake starlark terraform hcl nix powershell php nim graphql ini'.split(
    ' ',
  ),
);
const dash = new Set('sql lua haskell'.split(' '));
const markup = new Set('markdown html xml vue svelte'.split(' '));
const prose = new Set('markdown text restructuredtext asciidoc'.split(' '));

export function todosOf(file: ScannedFile): Finding[] {
  const byText = new Map<string, Todo[]>();
  for (const todo of readTodos(file)) {
    const key = `${todo.marker} ${todo.text.toLowerCase()}`;
    const same = byText.get(key);
    if (same) same.push(todo);
    else byText.set(key, [todo]);
  }
  return [...byText.values()].map((todos) => {
    const { marker, text } = todos[0]!;
    const evidence = todos.map(({ firstLine, lastLine }) => evidenceOf(file, firstLine, lastLine));
    const said = text === '' ? `${marker} without words` : `${marker}: ${text}`;
    return finding('todo', `${marker} ${text}`, {
      title: text === '' ? `${marker} in ${file.path}` : said,
      description: `A comment says what is still to be done:\n\n> ${said}\n\n${evidence.map((one) => `- ${whereOf(one)}`).join('\n')}`,
      score: (scores[marker] ?? 0.5) - (text === '' ? 0.3 : 0),
      evidence,
    });
  });
}

function readTodos({ language, lines }: ScannedFile): Todo[] {
  const todos: Todo[] = [];
  for (let at = 0; at < lines.length && todos.length < todosPerFileMax; at++) {
    const line = lines[at]!.slice(0, lineLengthMax);
    const match = marked.exec(line);
    if (!match) continue;
    const [whole, marker = '', name, colon] = match;
    const start = match.index + whole.indexOf(marker);
    const opener = openerBefore(language, line.slice(0, start));
    if (opener === undefined) continue;
    const isFirst = !/[\p{L}\p{N}]/u.test(line.slice(opener.end, start));
    if (!isFirst && colon === '' && name === undefined) continue;
    const said = [withoutClose(line.slice(match.index + whole.length))];
    let last = at;
    while (last + 1 < lines.length && last - at < continuedLinesMax) {
      const next = continuation(opener.mark, lines[last + 1]!.slice(0, lineLengthMax));
      if (next === undefined || marked.test(next)) break;
      said.push(withoutClose(next));
      last += 1;
    }
    const text = oneLine(said.join(' '), textLengthMax).replace(/^[\s:.,-]+/, '');
    todos.push({ marker, text, firstLine: at + 1, lastLine: last + 1 });
    at = last;
  }
  return todos;
}

/** Where the comment begins in which what follows stands, and by what; undefined: it is in none. */
function openerBefore(language: string | null, before: string): { mark: string; end: number } | undefined {
  const marks = language === null ? [] : marksOf(language);
  let best: { mark: string; end: number } | undefined;
  for (const mark of marks) {
    const from = mark === '*' ? (/^\s*\*/.test(before) ? before.indexOf('*') : -1) : before.indexOf(mark);
    if (from < 0 || isQuoted(before.slice(0, from))) continue;
    if (mark === '#' && from > 0 && !/\s/.test(before[from - 1]!)) continue;
    if (mark === '//' && before[from - 1] === ':') continue;
    if (best === undefined || from + mark.length < best.end) best = { mark, end: from + mark.length };
  }
  if (best) return best;
  // In prose a line may begin with it.
  return language !== null && prose.has(language) && /^\s*(?:[-*+]\s*)?(?:\[ \]\s*)?$/.test(before)
    ? { mark: '', end: before.length }
    : undefined;
}

function marksOf(language: string): string[] {
  return [
    ...(slash.has(language) ? ['//', '/*', '*'] : []),
    ...(hash.has(language) ? ['#'] : []),
    ...(dash.has(language) ? ['--'] : []),
    ...(markup.has(language) ? ['<!--'] : []),
  ];
}

/** An odd number of a kind of quote is open there. */
function isQuoted(before: string): boolean {
  return ['"', "'", '`'].some((quote) => before.split(quote).length % 2 === 0);
}

/** What the next line of the same comment says. */
function continuation(mark: string, line: string): string | undefined {
  const text = line.trim();
  const isBlock = mark === '/*' || mark === '*';
  if (mark === '' || mark === '<!--') return undefined;
  const next = isBlock ? '*' : mark;
  if (!text.startsWith(next) || text.startsWith('*/')) return undefined;
  const rest = text.slice(next.length).trim();
  return /[\p{L}\p{N}]/u.test(rest) && !rest.startsWith('@') ? rest : undefined;
}

function withoutClose(text: string): string {
  const end = /\*\/|-->/.exec(text);
  return end ? text.slice(0, end.index) : text;
}
