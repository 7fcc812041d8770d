// What a checkpoint is without, from the records that the sandbox wrote (record.sh, `left-out`), as lines for people.

import { shownPath } from './shown-path.ts';

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
    const paths = found.get(kind);
    return paths ? [`${kinds[kind]!(paths.length, fileBytesMax)}: ${names(paths)}`] : [];
  });
}

/** The paths of one kind, each ended by NUL. */
export function leftOutPaths(records: Buffer, kind: string): Buffer {
  const paths = readLeftOut(records).get(kind) ?? [];
  return Buffer.concat(paths.flatMap((path) => [path, Buffer.of(0)]));
}

/** By kind. Hostile input: what is no record is passed over. */
export function readLeftOut(records: Buffer): Map<string, Buffer[]> {
  const found = new Map<string, Buffer[]>();
  for (let start = 0; start < records.length; ) {
    const zero = records.indexOf(0, start);
    const end = zero < 0 ? records.length : zero;
    const record = readRecord(records.subarray(start, end));
    if (record) found.set(record.kind, appended(found.get(record.kind), record.path));
    start = end + 1;
  }
  return found;
}

function readRecord(record: Buffer): { kind: string; path: Buffer } | undefined {
  const head = /^([a-z]{1,20}) (?:\d{1,18}|-) (?:[0-9a-f]{64}|-) /.exec(record.toString('latin1', 0, 120));
  const kind = head?.[1] ?? '';
  return head && Object.hasOwn(kinds, kind) ? { kind, path: record.subarray(head[0].length) } : undefined;
}

function names(paths: Buffer[]): string {
  const shown = paths.slice(0, namesMax).map((path) => shownPath(path).slice(0, nameLengthMax));
  return [...shown, ...(paths.length > namesMax ? ['…'] : [])].join(', ');
}

function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

function appended(paths: Buffer[] | undefined, path: Buffer): Buffer[] {
  if (!paths) return [path];
  paths.push(path);
  return paths;
}
