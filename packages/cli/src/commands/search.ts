// worktrail search <words…>: what was said, run and printed in all sessions, with the places where it was found.

import type { SearchHit } from '@worktrail/client';
import type { SearchedType } from '@worktrail/contract/search';
import type { Cli } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';
import type { Style } from '../screen/style.ts';
import { visible } from '../screen/visible-text.ts';
import { resolveProjectId } from './resolve-project.ts';

export interface SearchOptions {
  project?: string;
  session?: string;
  task?: string;
  types?: SearchedType[];
  from?: string;
  to?: string;
  limit: number;
  cursor?: string;
}

export async function search(cli: Cli, words: string[], options: SearchOptions): Promise<number> {
  const { screen } = cli;
  const q = words.join(' ').trim();
  if (q === '') {
    screen.note('worktrail: say what to search for: words, "phrases" or beginnings*');
    return exitCodes.usage;
  }
  const client = await cli.client();
  const { project, session: sessionId, task: taskId, types, from, to, limit, cursor } = options;
  const projectId = project === undefined ? undefined : await resolveProjectId(cli, client, project);
  const page = { limit, ...(cursor !== undefined && { cursor }) };
  const found = await client.search.find(q, { projectId, sessionId, taskId, types, from, to, ...page });
  if (screen.json) await screen.document(found);
  else {
    for (const hit of found.items) await screen.line(hitLines(hit, screen.style).join('\n'));
    if (found.items.length === 0)
      screen.note(found.nextCursor === null ? 'nothing was found' : 'nothing was found so far');
    if (found.nextCursor !== null) screen.note(`more: --cursor ${found.nextCursor}`);
  }
  return exitCodes.ok;
}

export function hitLines(
  { time, type, sessionId, commandId, turnId, text, highlights }: SearchHit,
  style: Style,
): string[] {
  const about = commandId ?? turnId ?? '';
  const head = [time.replace(/\.\d+Z$/, 'Z'), type, sessionId, about].filter((part) => part !== '').map(visible);
  let at = 0;
  let line = '';
  for (const { from, to } of highlights) {
    line += visible(text.slice(at, from)) + style.bold(style.yellow(visible(text.slice(from, to))));
    at = to;
  }
  return [style.dim(head.join('  ')), `  ${line}${visible(text.slice(at))}`];
}
