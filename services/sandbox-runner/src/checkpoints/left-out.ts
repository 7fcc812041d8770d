// What a checkpoint is without, from the records that the sandbox wrote (record.sh, `left-out`): as lines for people, and for programs.

import type { LeftOut } from '@worktrail/contract/checkpoints';
import { shownPath } from './shown-path.ts';

const filesMax = 5;
const namesMax = 3;
const nameLengthMax = 200;

const kinds: Record<string, (count: number, fileBytesMax: number) => string> = {
  large: (count, bytes) => `${plural(count, 'file')} over ${Math.floor(bytes / 1024 ** 2)} MiB`,
  unreadable: (count) => `${plural(count, 'file')} that cannot be read`,
  name: (count) => `${plural(count, 'file')} whose name git refuses`,
  special: (count) => `${plural(count, 'special file')}`,
  changing: (count) => `${plural(count, 'file')} that changed while being read`,
  nested: (count) => `${plural(count, 'nested repository', 'nested repositories')} too many`,
  state: (count) => `${plural(count, "part of a repository's own directory", "parts of a repository's own directory")}`,
  index: (count) => `${plural(count, 'index that cannot be read', 'indexes that cannot be read')}`,
  head: () => 'a HEAD that leads to no commit',
  ignored: (count) => `what is ignored: ${plural(count, 'file or directory', 'files and directories')}`,
  removed: (count) => plural(count, 'file that was ignored', 'files that were ignored'),
  history: (count) => `the older history of ${plural(count, 'repository', 'repositories')}`,
};

export function describeLeftOut(
  records: Buffer,
  fileBytesMax: number,
  wanted: readonly string[] = Object.keys(kinds),
): string[] {
  const found = readLeftOut(records);
  return wanted.flatMap((kind) => {
    const records = found.get(kind);
    return records ? [`${kinds[kind]!(records.length, fileBytesMax)}: ${names(records)}`] : [];
  });
}

/** By kind, in the order of the lines. */
export function listLeftOut(records: Buffer): LeftOut[] {
  const found = readLeftOut(records);
  return Object.keys(kinds).flatMap((kind) => {
    const all = found.get(kind);
    const shown = (all ?? []).slice(0, filesMax);
    const files = shown.map(({ path, bytes, sha256 }) => ({ path: shownName(path), bytes, sha256 }));
    return all ? [{ kind, count: all.length, files }] : [];
  });
}

/** The paths of one kind, each ended by NUL. */
export function leftOutPaths(records: Buffer, kind: string): Buffer {
  const found = readLeftOut(records).get(kind) ?? [];
  return Buffer.concat(found.flatMap(({ path }) => [path, Buffer.of(0)]));
}

interface LeftOutRecord {
  kind: string;
  path: Buffer;
  /** 0 and empty where they were not taken. */
  bytes: number;
  sha256: string;
}

/** By kind. Hostile input: what is no record is passed over. */
export function readLeftOut(records: Buffer): Map<string, LeftOutRecord[]> {
  const found = new Map<string, LeftOutRecord[]>();
  for (let start = 0; start < records.length; ) {
    const zero = records.indexOf(0, start);
    const end = zero < 0 ? records.length : zero;
    const record = readRecord(records.subarray(start, end));
    if (record) found.set(record.kind, appended(found.get(record.kind), record));
    start = end + 1;
  }
  return found;
}

function readRecord(record: Buffer): LeftOutRecord | undefined {
  const head = /^([a-z]{1,20}) (\d{1,15}|-) ([0-9a-f]{64}|-) /.exec(record.toString('latin1', 0, 120));
  const [whole = '', kind = '', size, sha256] = head ?? [];
  if (!Object.hasOwn(kinds, kind)) return undefined;
  const digest = sha256 === '-' ? '' : (sha256 ?? '');
  return { kind, path: record.subarray(whole.length), bytes: Number(size) || 0, sha256: digest };
}

function names(records: LeftOutRecord[]): string {
  const shown = records.slice(0, namesMax).map(({ path }) => shownName(path));
  return [...shown, ...(records.length > namesMax ? ['…'] : [])].join(', ');
}

function shownName(path: Buffer): string {
  return shownPath(path).slice(0, nameLengthMax);
}

function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

function appended(records: LeftOutRecord[] | undefined, record: LeftOutRecord): LeftOutRecord[] {
  if (!records) return [record];
  records.push(record);
  return records;
}
