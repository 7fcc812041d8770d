// What changed from one checkpoint to the next, as `git diff-tree -r -z -M --raw --numstat` tells it.

import { shownPath } from './shown-path.ts';

export interface ChangedFile {
  path: string;
  oldPath: string;
  status: 'added' | 'modified' | 'deleted' | 'renamed' | 'mode_changed';
  additions: number;
  deletions: number;
  oldBlob: string;
  newBlob: string;
  binary: boolean;
}

/** `output` may be cut off: what is whole counts. The raw records come first, then as many with the numbers of lines. */
export function readChangedFiles(output: Buffer): ChangedFile[] {
  const fields = splitAtNul(output);
  const files: ChangedFile[] = [];
  let at = 0;
  for (; fields[at]?.[0] === 0x3a; ) {
    const { oldMode, newMode, oldBlob, newBlob, letter } = readRaw(fields[at]!.toString('latin1'));
    const renamed = letter === 'R' || letter === 'C';
    const paths = fields.slice(at + 1, at + (renamed ? 3 : 2));
    if (paths.length < (renamed ? 2 : 1)) return files;
    at += 1 + paths.length;
    files.push({
      path: shownPath(paths.at(-1)!),
      oldPath: renamed ? shownPath(paths[0]!) : '',
      status: statusOf(letter, oldMode !== newMode && oldBlob === newBlob),
      additions: 0,
      deletions: 0,
      oldBlob: withoutZeros(oldBlob),
      newBlob: withoutZeros(newBlob),
      binary: false,
    });
  }
  for (const file of files) {
    const found = /^(\d+|-)\t(\d+|-)\t/.exec(fields[at]?.toString('latin1', 0, 48) ?? '');
    if (!found) return files;
    file.binary = found[1] === '-';
    file.additions = Number(found[1]) || 0;
    file.deletions = Number(found[2]) || 0;
    at += fields[at]!.length > found[0].length ? 1 : 3;
  }
  return files;
}

function readRaw(text: string) {
  const found = /^:(\d{6}) (\d{6}) ([0-9a-f]+) ([0-9a-f]+) ([A-Z])\d*$/.exec(text);
  if (!found) throw new Error('git diff-tree printed something unexpected');
  const [, oldMode, newMode, oldBlob, newBlob, letter] = found;
  return { oldMode: oldMode!, newMode: newMode!, oldBlob: oldBlob!, newBlob: newBlob!, letter: letter! };
}

function statusOf(letter: string, onlyMode: boolean): ChangedFile['status'] {
  if (letter === 'A' || letter === 'C') return 'added';
  if (letter === 'D') return 'deleted';
  if (letter === 'R') return 'renamed';
  return onlyMode ? 'mode_changed' : 'modified';
}

function withoutZeros(id: string): string {
  return /^0+$/.test(id) ? '' : id;
}

/** Only fields that end with NUL: the last one may be cut off. */
function splitAtNul(bytes: Buffer): Buffer[] {
  const fields: Buffer[] = [];
  for (let start = 0; ; ) {
    const end = bytes.indexOf(0, start);
    if (end < 0) return fields;
    fields.push(bytes.subarray(start, end));
    start = end + 1;
  }
}
