// worktrail diff <session>: which files have changed and by how much; with --patch the patch.
//
// A patch goes to a pipe byte for byte, and to a terminal in colours, without what the terminal would act on.

import type { Diff, DiffFile } from '@worktrail/client';
import type { Cli } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';
import { type Screen, writeAll } from '../screen/screen.ts';
import type { Style } from '../screen/style.ts';
import { visible } from '../screen/visible-text.ts';
import { checkpointIdOf } from './resolve-checkpoint.ts';

export interface DiffOptions {
  from: string;
  to: string;
  patch?: boolean;
  stat?: boolean;
}

export async function diff(cli: Cli, sessionId: string, options: DiffOptions): Promise<number> {
  const { screen } = cli;
  const client = await cli.client();
  const { files } = client;
  const { patch = false, stat = false } = options;
  const from = await checkpointIdOf(client, sessionId, options.from);
  const to = await checkpointIdOf(client, sessionId, options.to);
  if (patch && !screen.json) {
    const { bytes, truncated, upToDate } = await files.patch(sessionId, { from, to });
    await showPatch(screen, bytes);
    if (truncated) screen.note('error: the patch is cut at its limit: see its last line');
    if (!upToDate) screen.note(notUpToDate);
    return truncated ? exitCodes.failed : exitCodes.ok;
  }
  const found = await files.diff(sessionId, { from, to, patch });
  if (screen.json) await screen.document(found);
  else if (stat) await screen.line(sumsOf(found));
  else await showFiles(screen, found);
  if (!found.upToDate) screen.note(notUpToDate);
  return exitCodes.ok;
}

const notUpToDate = 'Something has run since the newest checkpoint that is not in this comparison yet.';

async function showFiles(screen: Screen, found: Diff): Promise<void> {
  const { style } = screen;
  const painted = (paint: (text: string) => string) => (padded: string) => paint(padded);
  const columns = [
    { title: 'STATUS' },
    { title: '+', align: 'right' as const, style: painted(style.green) },
    { title: '-', align: 'right' as const, style: painted(style.red) },
    { title: 'FILE', shrinks: true },
  ];
  if (found.files.length > 0) await screen.table(columns, found.files.map(fileRow));
  screen.note(sumsOf(found));
}

function fileRow({ path, oldPath, status, additions, deletions, binary }: DiffFile): string[] {
  const counts = binary ? ['binary', ''] : [String(additions), String(deletions)];
  return [status.replace('_', ' '), ...counts, oldPath === undefined ? path : `${oldPath} → ${path}`];
}

export function sumsOf({ files, filesTruncated }: Pick<Diff, 'files' | 'filesTruncated'>): string {
  const sum = (of: 'additions' | 'deletions') => files.reduce((total, file) => total + file[of], 0);
  const count = `${files.length}${filesTruncated ? ' and more' : ''} ${files.length === 1 ? 'file' : 'files'}`;
  return `${count} changed, ${sum('additions')} additions, ${sum('deletions')} deletions`;
}

async function showPatch(screen: Screen, bytes: Uint8Array): Promise<void> {
  if (!screen.isTerminal) return writeAll(screen.stdout, bytes);
  const text = Buffer.from(bytes).toString('utf8').replace(/\n$/, '');
  if (text === '') return;
  await screen.line(paintPatch(text, screen.style));
}

export function paintPatch(patch: string, style: Style): string {
  let inHunk = false;
  const paint = (line: string): ((text: string) => string) => {
    if (line.startsWith('diff --git ')) inHunk = false;
    if (line.startsWith('@@')) {
      inHunk = true;
      return style.cyan;
    }
    if (!inHunk) return style.bold;
    if (line.startsWith('+')) return style.green;
    return line.startsWith('-') ? style.red : (text) => text;
  };
  const shown = (line: string) => paint(line)(visible(line.replaceAll('\t', '    ')));
  return patch.split('\n').map(shown).join('\n');
}
