import { expect, test } from 'vitest';
import { describeLeftOut, listLeftOut } from './left-out.ts';

const mib = 1024 ** 2;

test('what was left out is told by kind, with the first names', () => {
  const records = [
    'large 5000000 - a b',
    `large 9 ${'0'.repeat(64)} c`,
    'special - - pipe',
    'large 1 - d',
    'large 1 - e',
  ];
  expect(describeLeftOut(Buffer.from(`${records.join('\0')}\0`), 100 * mib)).toEqual([
    '4 files over 100 MiB: a b, c, d, …',
    '1 special file: pipe',
  ]);
  const none = { bytes: 0, sha256: '' };
  const files = [
    { ...none, path: 'a b', bytes: 5_000_000 },
    { path: 'c', bytes: 9, sha256: '0'.repeat(64) },
    { ...none, path: 'd', bytes: 1 },
    { ...none, path: 'e', bytes: 1 },
  ];
  expect(listLeftOut(Buffer.from(`${records.join('\0')}\0`))).toEqual([
    { kind: 'large', count: 4, files },
    { kind: 'special', count: 1, files: [{ ...none, path: 'pipe' }] },
  ]);
});

test('of each kind the first files are named, and all are counted', () => {
  const records = Array.from({ length: 5_000 }, (_, index) => `unreadable - - ${'long/'.repeat(200)}${index}\0`);
  const [listed] = listLeftOut(Buffer.from(records.join('')));
  expect(listed).toMatchObject({ kind: 'unreadable', count: 5_000 });
  expect(listed!.files).toHaveLength(5);
  expect(JSON.stringify(listed).length).toBeLessThan(2_000);
});

test('names are shown with escapes, and shortened', () => {
  const records = Buffer.concat([
    Buffer.from('special - - x\ny\xff', 'latin1'),
    Buffer.from(`\0special - - ${'n'.repeat(5000)}\0`),
  ]);
  const [line] = describeLeftOut(records, mib);
  expect(line).toContain('2 special files: x\\x0ay\\xff, nnn');
  expect(line!.length).toBeLessThan(300);
});

test('what is no record is passed over', () => {
  const records = [
    '',
    'large',
    'constructor - - x',
    '__proto__ - - x',
    'LARGE 1 - x',
    'large -1 - x',
    'large 1 zz x',
    '\xff\xfe',
  ];
  expect(describeLeftOut(Buffer.from(`${records.join('\0')}\0`), mib)).toEqual([]);
  expect(describeLeftOut(Buffer.from('special - - cut off'), mib)).toEqual(['1 special file: cut off']);
  expect(describeLeftOut(Buffer.alloc(0), mib)).toEqual([]);
});
