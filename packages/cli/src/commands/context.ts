// worktrail context <project> <query>: symbols, text and files of a project's repository.

import type { ContextHit, ContextKind } from '@worktrail/client';
import type { Cli } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';
import { visible } from '../screen/visible-text.ts';
import { resolveProjectId } from './resolve-project.ts';

export interface ContextOptions {
  ref?: string;
  kind?: string[];
  path?: string;
  language?: string;
  session?: string;
  limit: number;
  snippets?: boolean;
}

export async function context(cli: Cli, project: string, words: string[], options: ContextOptions): Promise<number> {
  const { screen } = cli;
  const client = await cli.client();
  const projectId = await resolveProjectId(cli, client, project);
  const { kind, snippets, ref, path, language, limit, session } = options;
  const query = { ref, path, language, limit, sessionId: session, kinds: kind as ContextKind[] | undefined };
  const found = await client.projects.searchContext(projectId, words.join(' '), query);
  if (screen.json) {
    await screen.document(found);
    return exitCodes.ok;
  }
  if (snippets) for (const hit of found.items) await screen.line(snippetLines(hit, screen.style.dim).join('\n'));
  else if (found.items.length > 0) await screen.table(columns, found.items.map(contextRow));
  const { complete, indexed, files } = found.index;
  const state = complete ? '' : `; the index is not complete yet (${indexed} of ${files} files)`;
  const count = found.items.length;
  screen.note(`${count} ${count === 1 ? 'hit' : 'hits'} at ${found.commit.slice(0, 12)}${state}`);
  return exitCodes.ok;
}

const columns = [
  { title: 'SCORE', align: 'right' as const },
  { title: 'KIND' },
  { title: 'WHERE' },
  { title: 'WHAT', shrinks: true },
];

export function contextRow(hit: ContextHit): string[] {
  return [hit.score.toFixed(2), hit.symbol?.kind ?? hit.kind, whereOf(hit), whatOf(hit)];
}

function whereOf({ path, firstLine, lastLine }: ContextHit): string {
  if (firstLine === 0) return path;
  return lastLine > firstLine ? `${path}:${firstLine}-${lastLine}` : `${path}:${firstLine}`;
}

function whatOf({ kind, symbol, snippet }: ContextHit): string {
  if (symbol) return symbol.parent === null ? symbol.name : `${symbol.parent}.${symbol.name}`;
  if (kind === 'file') return '';
  const line = snippet.split('\n').find((one) => one.trim() !== '') ?? '';
  return line.trim();
}

function snippetLines(hit: ContextHit, dim: (text: string) => string): string[] {
  const head = `${visible(whereOf(hit))}  ${dim(`${hit.symbol?.kind ?? hit.kind} ${hit.score.toFixed(2)}`)}`;
  const lines = hit.snippet === '' ? [] : hit.snippet.split('\n');
  const width = String(hit.firstLine + lines.length).length;
  const numbered = lines.map((line, index) => {
    const number = String(hit.firstLine + index).padStart(width);
    return `${dim(number)}  ${visible(line.replaceAll('\t', '  '))}`;
  });
  return [head, ...numbered, ''];
}
