import { expect, test } from 'vitest';
import { readLiveListing } from './live-files.ts';

const output = (facts: string[], names: string[], nested: string[] = []) =>
  Buffer.from([`${facts.join('\n')}\n`, ...names, '', ...nested, ''].join('\0'), 'latin1');

test("a sandbox's answer becomes items; what is no file, directory or link is left out", () => {
  const facts = ['81ed 5', '41ed 4096', '41ed 4096', 'a1ff 3', '11a4 0', '81a4 1'];
  const names = ['run', 'src', 'repo', 'link', 'pipe', 'not-\xff'];
  expect(readLiveListing(output(facts, names, ['repo']), 'top', 10)).toEqual({
    items: [
      { name: 'run', path: 'top/run', type: 'file', size: 5, executable: true },
      { name: 'src', path: 'top/src', type: 'directory', size: null, executable: false },
      { name: 'repo', path: 'top/repo', type: 'submodule', size: null, executable: false },
      { name: 'link', path: 'top/link', type: 'symlink', size: 3, executable: false },
      { name: 'not-\\xff', path: 'top/not-\\xff', type: 'file', size: 1, executable: false },
    ],
    next: null,
  });
});

test('one more name than was asked for means that there is another page', () => {
  const listing = readLiveListing(output(['81a4 1', '81a4 2'], ['a', 'b']), '', 1);
  expect(listing).toMatchObject({ items: [{ path: 'a' }], next: Buffer.from('a').toString('base64url') });
});

test('an answer that does not fit together is none, an empty one is an empty directory', () => {
  expect(readLiveListing(output(['81a4 1'], ['a', 'gone']), '', 10)).toBeUndefined();
  expect(readLiveListing(Buffer.from('garbage'), '', 10)).toBeUndefined();
  expect(readLiveListing(Buffer.alloc(0), '', 10)).toEqual({ items: [], next: null });
  expect(readLiveListing(output(['x y'], ['a']), '', 10)).toMatchObject({ items: [] });
});
