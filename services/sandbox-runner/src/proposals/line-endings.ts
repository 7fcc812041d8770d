// Line endings as git would commit them. A checkpoint holds the bytes of the work tree; where the repository's .gitattributes say that a
// file is text, git keeps LF of it and writes CRLF into work trees only.
//
// 1. What git itself would change in a commit is changed, by git's own rules for `text`, `eol` and `crlf`; nothing else is.
// 2. Filters, `ident` and `working-tree-encoding` do not apply: their bytes are committed as they are.

import { join } from 'node:path';
import { Readable } from 'node:stream';
import { checkObjects } from '../checkpoints/session-store.ts';
import type { StoreGit, StoreGitOptions } from '../checkpoints/store-git.ts';
import type { ProposalStore } from './proposal-store.ts';

/** `text`: always. `auto`: unless it is binary, or was committed with CRLF before. */
export type LineRule = 'text' | 'auto' | 'none';

const listBytesMax = 64 * 1024 ** 2;
/** Larger ones are left as they are. */
const fileBytesMax = 16 * 1024 ** 2;
const batchBytesMax = 32 * 1024 ** 2;

export function lineRule(text: string, eol: string, crlf: string): LineRule {
  if (text === 'auto') return 'auto';
  if (text === 'set') return 'text';
  if (text === 'unset') return 'none';
  if (eol === 'lf' || eol === 'crlf' || crlf === 'set' || crlf === 'input') return 'text';
  return 'none';
}

/** Undefined where it stays as it is. `before`: what was committed of the file so far. */
export function committedLines(bytes: Buffer, rule: LineRule, before: Buffer | undefined): Buffer | undefined {
  if (rule === 'none' || !bytes.includes('\r\n')) return undefined;
  if (rule === 'auto' && (isBinary(bytes) || (before?.includes('\r\n') && !isBinary(before)))) return undefined;
  const kept = Buffer.alloc(bytes.length);
  let length = 0;
  for (let at = 0; at < bytes.length; at++) {
    if (bytes[at] === 0x0d && bytes[at + 1] === 0x0a) continue;
    kept[length++] = bytes[at]!;
  }
  return kept.subarray(0, length);
}

/** As git judges it for `text=auto`. */
function isBinary(bytes: Buffer): boolean {
  let printable = 0;
  let nonPrintable = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte === 0) return true;
    if (byte === 0x0d) {
      if (bytes[at + 1] !== 0x0a) return true;
    } else if (byte === 0x0a) continue;
    else if (byte === 127) nonPrintable += 1;
    else if (byte < 32) {
      const isText = byte === 8 || byte === 9 || byte === 12 || byte === 27;
      if (isText) printable += 1;
      else nonPrintable += byte === 26 && at === bytes.length - 1 ? 0 : 1;
    } else printable += 1;
  }
  return printable >> 7 < nonPrintable;
}

interface ChangedFile {
  mode: string;
  before: string;
  id: string;
  path: Buffer;
}

/** The tree as it would be committed on `parent`. */
export async function treeToCommit(
  store: ProposalStore,
  parent: string,
  tree: string,
  signal: AbortSignal,
): Promise<string> {
  const { git } = store;
  const options = { signal, stdoutBytesMax: listBytesMax, env: { GIT_INDEX_FILE: join(store.scratch, 'lines') } };
  await git(['read-tree', tree], options);
  const attributes = ['ls-files', '-z', '--', ':(top,glob)**/.gitattributes'];
  if ((await git(attributes, options)).length === 0) return tree;
  const changed = readChanged(await git(['diff-tree', '-r', '-z', '--no-renames', '--raw', parent, tree], options));
  const files = await withRules(git, changed, options);
  if (files.length === 0) return tree;
  const entries: Buffer[] = [];
  for await (const { file, bytes } of converted(git, files, signal)) {
    const stdin = { stream: Readable.from([bytes]) };
    const id = (await git(['hash-object', '-w', '--stdin'], { signal, stdin })).toString().trim();
    entries.push(Buffer.from(`${file.mode} ${id}\t`), file.path, Buffer.from('\0'));
  }
  if (entries.length === 0) return tree;
  const stdin = { stream: Readable.from([Buffer.concat(entries)]) };
  await git(['update-index', '-z', '--index-info'], { ...options, stdin });
  return (await git(['write-tree'], options)).toString().trim();
}

/** Files with contents, from `diff-tree -z --raw`. */
function readChanged(printed: Buffer): ChangedFile[] {
  const files: ChangedFile[] = [];
  for (let start = 0; start < printed.length; ) {
    const head = printed.indexOf(0, start);
    const end = printed.indexOf(0, head + 1);
    if (head < 0 || end < 0) break;
    const found = /^:\d+ (100\d+) ([0-9a-f]+) ([0-9a-f]+) [AMT]/.exec(printed.toString('latin1', start, head));
    if (found) files.push({ mode: found[1]!, before: found[2]!, id: found[3]!, path: printed.subarray(head + 1, end) });
    start = end + 1;
  }
  return files;
}

type RuledFile = ChangedFile & { rule: LineRule };

async function withRules(git: StoreGit, files: ChangedFile[], options: StoreGitOptions): Promise<RuledFile[]> {
  if (files.length === 0) return [];
  const paths = files.flatMap(({ path }) => [path, Buffer.from('\0')]);
  const stdin = { stream: Readable.from([Buffer.concat(paths)]) };
  const asked = ['text', 'eol', 'crlf'];
  const printed = await git(['check-attr', '--cached', '-z', '--stdin', ...asked], { ...options, stdin });
  const fields = printed.toString('latin1').split('\0');
  return files.flatMap((file, index) => {
    const [text, eol, crlf] = asked.map((_, which) => fields[(index * asked.length + which) * 3 + 2] ?? '');
    const rule = lineRule(text!, eol!, crlf!);
    return rule === 'none' ? [] : [{ ...file, rule }];
  });
}

async function* converted(
  git: StoreGit,
  files: RuledFile[],
  signal: AbortSignal,
): AsyncGenerator<{ file: RuledFile; bytes: Buffer }> {
  for await (const { file, bytes } of contents(git, files, signal)) {
    if (committedLines(bytes, file.rule, undefined) === undefined) continue;
    // Seldom: only then it matters what the file was.
    const before = /^0+$/.test(file.before) ? undefined : await readBlob(git, file.before, signal);
    const kept = committedLines(bytes, file.rule, before);
    if (kept !== undefined) yield { file, bytes: kept };
  }
}

async function readBlob(git: StoreGit, id: string, signal: AbortSignal): Promise<Buffer | undefined> {
  const [found] = await checkObjects(git, [id], signal);
  if (found?.type !== 'blob' || found.bytes > fileBytesMax) return undefined;
  return git(['cat-file', 'blob', id], { signal, stdoutBytesMax: fileBytesMax });
}

/** Contents of those that are not too large, a bounded number of bytes at a time. */
async function* contents(
  git: StoreGit,
  files: RuledFile[],
  signal: AbortSignal,
): AsyncGenerator<{ file: RuledFile; bytes: Buffer }> {
  const found = await checkAll(
    git,
    files.map(({ id }) => id),
    signal,
  );
  let batch: RuledFile[] = [];
  let bytes = 0;
  const read = async () => {
    const stdin = `${batch.map(({ id }) => id).join('\n')}\n`;
    const printed = await git(['cat-file', '--batch'], { signal, stdin, stdoutBytesMax: 2 * batchBytesMax });
    return splitBatch(printed, batch);
  };
  for (const [index, file] of files.entries()) {
    const size = found[index] ?? Number.POSITIVE_INFINITY;
    if (size > fileBytesMax) continue;
    if (batch.length > 0 && bytes + size > batchBytesMax) {
      yield* await read();
      batch = [];
      bytes = 0;
    }
    batch.push(file);
    bytes += size + 200;
  }
  if (batch.length > 0) yield* await read();
}

const checkedAtOnceMax = 5_000;

async function checkAll(git: StoreGit, ids: string[], signal: AbortSignal): Promise<(number | undefined)[]> {
  const sizes: (number | undefined)[] = [];
  for (let from = 0; from < ids.length; from += checkedAtOnceMax) {
    const found = await checkObjects(git, ids.slice(from, from + checkedAtOnceMax), signal);
    sizes.push(...found.map((one) => (one?.type === 'blob' ? one.bytes : undefined)));
  }
  return sizes;
}

/** Of `cat-file --batch`: "<id> <type> <size>\n", the bytes, "\n". */
function splitBatch(printed: Buffer, files: RuledFile[]): { file: RuledFile; bytes: Buffer }[] {
  let start = 0;
  return files.map((file) => {
    const end = printed.indexOf('\n', start);
    const size = Number(printed.toString('latin1', start, end).split(' ')[2]);
    const bytes = printed.subarray(end + 1, end + 1 + size);
    start = end + size + 2;
    return { file, bytes };
  });
}
