// worktrail compare <task>: how the sessions of its trials were judged, and with --diff what each has changed, side by side.

import { matchesGlob } from 'node:path/posix';
import { type Comparison, type Diff, WorktrailApiError, type WorktrailClient } from '@worktrail/client';
import type { Cli } from '../cli.ts';
import { type ComparedFile, compareFiles, type FileChange, readChanges } from '../compare/file-changes.ts';
import { layoutSideBySide } from '../compare/side-by-side.ts';
import { CliError, exitCodes } from '../exit-codes.ts';
import { printLong } from '../screen/pager.ts';
import { formatCost, formatDuration } from '../screen/quantities.ts';
import type { Screen } from '../screen/screen.ts';
import { paintState } from '../screen/style.ts';
import { layoutTable } from '../screen/table.ts';

export interface CompareOptions {
  diff?: boolean;
  path?: string[];
  width?: number;
}

type ComparedSession = Comparison['items'][number];

export async function compare(
  cli: Cli,
  taskId: string,
  sessionIds: readonly string[],
  { diff = false, path: globs = [], width }: CompareOptions,
): Promise<number> {
  const client = await cli.client();
  const comparison = await client.tasks.compare(taskId);
  const items = sessionIds.length === 0 ? comparison.items : sessionIds.map((id) => sessionOf(comparison, id));
  const { screen } = cli;
  if (diff || globs.length > 0) {
    // A trial's sessions began alike; those of others are compared when they are named.
    const chosen = sessionIds.length > 0 ? items : items.filter(({ trialId }) => trialId === items[0]!.trialId);
    await compareDiffs(cli, taskId, await readSessions(client, chosen), globs, width);
  } else if (screen.json) await screen.document({ ...comparison, items });
  else await screen.line(tableOf(items, screen).join('\n'));
  return exitCodes.ok;
}

function sessionOf({ taskId, items }: Comparison, sessionId: string): ComparedSession {
  const found = items.find((item) => item.sessionId === sessionId);
  if (found) return found;
  throw new CliError(`${sessionId} is no session of a trial of ${taskId}`, exitCodes.notFound);
}

interface ReadSession {
  about: DiffedSession;
  changes: FileChange[];
}

interface DiffedSession extends ComparedSession {
  diff: Omit<Diff, 'files' | 'patch'> | null;
  /** Why nothing is known of its files. */
  error: { code: string; detail: string } | null;
}

const readAtOnceMax = 4;

async function readSessions(client: WorktrailClient, items: readonly ComparedSession[]): Promise<ReadSession[]> {
  const read: ReadSession[] = [];
  for (let from = 0; from < items.length; from += readAtOnceMax) {
    const some = items.slice(from, from + readAtOnceMax);
    read.push(...(await Promise.all(some.map((item) => readSession(client, item)))));
  }
  return read;
}

async function readSession(client: WorktrailClient, item: ComparedSession): Promise<ReadSession> {
  try {
    const { files, patch, ...diff } = await client.files.diff(item.sessionId);
    const changes = readChanges({ files, patch, truncated: diff.truncated });
    return { about: { ...item, diff, error: null }, changes };
  } catch (error) {
    if (!(error instanceof WorktrailApiError)) throw error;
    const { code, detail, title } = error;
    return { about: { ...item, diff: null, error: { code, detail: detail || title } }, changes: [] };
  }
}

async function compareDiffs(
  cli: Cli,
  taskId: string,
  read: readonly ReadSession[],
  globs: readonly string[],
  width: number | undefined,
): Promise<void> {
  const { screen } = cli;
  const matches = ({ path, changes }: ComparedFile) =>
    [path, ...changes.flatMap((change) => change?.path ?? [])].some((one) =>
      globs.some((glob) => matchesGlob(one, glob)),
    );
  const all = compareFiles(read.map(({ changes }) => changes));
  const sessions = read.map(({ about }) => about);
  const files = globs.length === 0 ? all : all.filter(matches);
  if (screen.json) {
    const named = files.map(({ path, changes }) => ({
      path,
      changes: changes.map((change, index) => change && { sessionId: sessions[index]!.sessionId, ...change }),
    }));
    await screen.document({ taskId, sessions, files: named });
  } else {
    const titles = sessions.map(({ title }, index) => `${index + 1} ${title}`);
    const columns = width ?? (screen.isTerminal ? screen.width : 80 * sessions.length);
    const lines = layoutSideBySide(files, { titles, width: columns, style: screen.style });
    await printLong(screen, cli.surroundings, [...tableOf(sessions, screen), '', ...lines].join('\n').trimEnd());
  }
  noteWhatIsMissing(screen, sessions, files.length);
}

function noteWhatIsMissing(screen: Screen, sessions: readonly DiffedSession[], fileCount: number): void {
  if (fileCount === 0) screen.note('No file differs from what the sessions began with.');
  for (const { sessionId, diff, error } of sessions) {
    if (error) screen.note(`${sessionId}: its changes could not be read: ${error.detail} (${error.code})`);
    if (diff?.truncated) screen.note(`${sessionId}: its patch is cut at its limit.`);
    if (diff?.filesTruncated) screen.note(`${sessionId}: more files differ than are listed.`);
    if (diff && !diff.upToDate)
      screen.note(`${sessionId}: something has run since the newest checkpoint that is not in it yet.`);
  }
  const bases = new Set(sessions.flatMap(({ diff }) => diff?.from.commit ?? []));
  if (bases.size > 1) screen.note('The sessions began at different commits: the same line number may be another line.');
}

function tableOf(items: readonly ComparedSession[], screen: Screen): string[] {
  const right = { align: 'right' as const };
  // The session's id is what `promote` is told.
  const canGo = true;
  const style = (padded: string, state: string) => paintState(screen.style, state)(padded);
  const columns = [
    { title: '#', ...right },
    { title: 'SESSION' },
    { title: 'ATTEMPT', shrinks: true },
    { title: 'VERDICT', style },
    { title: 'COMMITS', ...right, canGo },
    { title: 'FILES', ...right },
    { title: 'LINES', ...right },
    { title: 'COMMANDS', ...right, canGo },
    { title: 'TIME', ...right, canGo },
    { title: 'TURNS', ...right, canGo },
    { title: 'TOKENS', ...right, canGo },
    { title: 'COST', ...right, canGo },
    { title: 'PROPOSAL', canGo },
    { title: 'WHY', shrinks: true },
  ];
  const rows = items.map((one, index) => [
    String(index + 1),
    one.sessionId,
    one.title,
    one.verdict ?? '',
    numberText(one.commits),
    numberText(one.filesChanged),
    one.additions === null ? '' : `+${one.additions} -${one.deletions}`,
    String(one.commands),
    one.durationSeconds === null ? '' : formatDuration(one.durationSeconds * 1_000),
    numberText(one.turns || null),
    numberText(one.tokens),
    one.cost === null ? '' : formatCost(one.cost),
    one.proposal ? `${one.proposal.id} ${one.proposal.state}` : '',
    one.reason ?? '',
  ]);
  return layoutTable(columns, rows, screen.width, screen.style.dim);
}

function numberText(value: number | null): string {
  return value === null ? '' : String(value);
}
