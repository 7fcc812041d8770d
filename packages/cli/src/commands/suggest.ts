// worktrail suggest [project] | suggest accept | suggest dismiss

import type { Scan, Suggestion, SuggestionKind, SuggestionQuery, WorktrailClient } from '@worktrail/client';
import type { Cli } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';
import { visible } from '../screen/visible-text.ts';
import { type AgentOptions, agentInput } from '../turn/agent-options.ts';
import { resolveProjectId } from './resolve-project.ts';

export interface SuggestOptions {
  scan: boolean;
  kind?: string;
  only: string;
}

/** So often the step of a scan is looked at. */
const lookSeconds = 5;

export async function suggest(cli: Cli, project: string | undefined, options: SuggestOptions): Promise<number> {
  const { screen } = cli;
  const client = await cli.client();
  const projectId = await resolveProjectId(cli, client, project);
  const scan = options.scan ? await followScan(cli, client, projectId) : null;
  const query = {
    state: options.only as SuggestionQuery['state'],
    ...(options.kind !== undefined && { kind: options.kind as SuggestionKind }),
  };
  const items: Suggestion[] = [];
  for await (const one of client.suggestions.all(projectId, query)) items.push(one);
  const failed = scan?.state === 'failed';
  if (screen.json) await screen.document({ items, scan });
  else if (items.length > 0) await screen.table(columns, items.map(suggestionRow));
  if (scan) sayScan(cli, scan, items.length);
  return failed ? exitCodes.failed : exitCodes.ok;
}

const columns = [
  { title: 'SUGGESTION' },
  { title: 'KIND' },
  { title: 'TITLE', shrinks: true },
  { title: 'WHERE', shrinks: true },
];

export function suggestionRow({ id, kind, title, evidence }: Suggestion): string[] {
  return [id, kind, title, whereOf(evidence)];
}

function whereOf([first, ...rest]: Suggestion['evidence']): string {
  if (!first) return '';
  const { path, firstLine, lastLine } = first;
  const lines = lastLine > firstLine ? `${firstLine}-${lastLine}` : `${firstLine}`;
  return `${path}:${lines}${rest.length > 0 ? ` and ${rest.length} more` : ''}`;
}

const steps = {
  reading: 'reading the repository',
  checking: 'running the required checks',
  asking: 'asking the model',
  storing: 'storing what was found',
} as const;

async function followScan(cli: Cli, client: WorktrailClient, projectId: string): Promise<Scan> {
  let scan = await client.suggestions.scan(projectId);
  let said: Scan['step'] = null;
  while (scan.state === 'running') {
    if (scan.step !== null && scan.step !== said) cli.screen.note(`${steps[scan.step]} …`);
    said = scan.step;
    const page = await client.suggestions.list(projectId, { limit: 1 }, { waitSeconds: lookSeconds });
    if (!page.scan) break;
    scan = page.scan;
  }
  return scan;
}

function sayScan({ screen }: Cli, scan: Scan, shown: number): void {
  if (scan.state === 'failed') return screen.note(`worktrail: the scan has failed: ${visible(scan.detail ?? '')}`);
  for (const note of scan.notes) screen.note(visible(note));
  const { added, resolved, commit } = scan;
  screen.note(`${shown} shown, ${added} new, ${resolved} resolved, at ${(commit ?? '').slice(0, 12)}`);
}

export interface AcceptOptions extends AgentOptions {
  message?: string;
}

export async function suggestAccept(cli: Cli, id: string, options: AcceptOptions): Promise<number> {
  const client = await cli.client();
  const made = await client.suggestions.accept(id, { message: options.message, agent: agentInput(options) });
  if (cli.screen.json) await cli.screen.document(made);
  else {
    await cli.screen.line(made.session.id);
    const begun = made.turnId === null ? 'no model is configured: nobody works on it yet' : `turn ${made.turnId}`;
    cli.screen.note(`task ${made.task.id} · ${begun}`);
  }
  return exitCodes.ok;
}

export async function suggestDismiss(cli: Cli, id: string, { reason }: { reason?: string }): Promise<number> {
  const client = await cli.client();
  const dismissed = await client.suggestions.dismiss(id, { ...(reason !== undefined && { reason }) });
  if (cli.screen.json) await cli.screen.document(dismissed);
  else await cli.screen.line(dismissed.state);
  return exitCodes.ok;
}
