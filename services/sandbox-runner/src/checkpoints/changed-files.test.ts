import { expect, test } from 'vitest';
import { planEvents } from './changed-files-events.ts';
import { type ChangedFile, readChangedFiles } from './changed-files.ts';

const [a, b, zero] = ['a'.repeat(40), 'b'.repeat(40), '0'.repeat(40)];
const output = Buffer.from(
  [
    `:000000 100644 ${zero} ${a} A`,
    'new\nfile',
    `:100644 100644 ${a} ${b} R087`,
    'from',
    'to',
    `:100644 100755 ${a} ${a} M`,
    'tool',
    `:100644 000000 ${a} ${zero} D`,
    'gone\xff',
    `:100644 120000 ${a} ${b} T`,
    'link',
    '3\t0\tnew\nfile',
    '2\t1\t',
    'from',
    'to',
    '0\t0\ttool',
    '-\t-\tgone\xff',
    '1\t1\tlink',
    '',
  ].join('\0'),
  'latin1',
);

test('each change is read with its kind, its lines and its blobs', () => {
  expect(readChangedFiles(output)).toEqual([
    {
      path: 'new\\x0afile',
      oldPath: '',
      status: 'added',
      additions: 3,
      deletions: 0,
      oldBlob: '',
      newBlob: a,
      binary: false,
    },
    {
      path: 'to',
      oldPath: 'from',
      status: 'renamed',
      additions: 2,
      deletions: 1,
      oldBlob: a,
      newBlob: b,
      binary: false,
    },
    {
      path: 'tool',
      oldPath: '',
      status: 'mode_changed',
      additions: 0,
      deletions: 0,
      oldBlob: a,
      newBlob: a,
      binary: false,
    },
    {
      path: 'gone\\xff',
      oldPath: '',
      status: 'deleted',
      additions: 0,
      deletions: 0,
      oldBlob: a,
      newBlob: '',
      binary: true,
    },
    {
      path: 'link',
      oldPath: '',
      status: 'modified',
      additions: 1,
      deletions: 1,
      oldBlob: a,
      newBlob: b,
      binary: false,
    },
  ]);
});

test('of output that was cut off, what is whole counts', () => {
  for (let length = 0; length <= output.length; length += 1) {
    const files = readChangedFiles(output.subarray(0, length));
    expect(files.map((file) => file.path)).toEqual(
      ['new\\x0afile', 'to', 'tool', 'gone\\xff', 'link'].slice(0, files.length),
    );
  }
});

test('no event is larger than what the stream takes, and none is missing', () => {
  const file: ChangedFile = { ...readChangedFiles(output)[0]!, path: 'p'.repeat(4_000) };
  const long = planEvents(Array.from({ length: 1_000 }, () => file));
  expect(long.flat()).toHaveLength(1_000);
  for (const batch of long) expect(JSON.stringify(batch).length).toBeLessThan(900_000);
  const short = planEvents(Array.from({ length: 1_201 }, () => ({ ...file, path: 'p' })));
  expect(short.map((batch) => batch.length)).toEqual([500, 500, 201]);
  expect(planEvents([])).toEqual([]);
});
