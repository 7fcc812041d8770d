import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeStore, type Store } from './files-fixture.ts';
import { findFile, listTree, readBlob } from './tree-files.ts';

const { signal } = new AbortController();
let store: Store;
let commit: string;
beforeAll(async () => {
  store = await makeStore('tree-files');
  const base = await store.commit('echo base > base');
  commit =
    await store.commit(`mkdir -p src/deep; echo x > src/deep/f; printf 12345 > 'a b'; chmod +x 'a b'; ln -s src link; ln -s /etc/passwd out
    seq 1 200000 > big; printf 1 > "$(printf 'not-\\377')"; printf 1 > ':(top)x'; printf s > '*'
    git update-index --add --cacheinfo 160000,${base},sub; mkdir -p sub`);
});
afterAll(() => store.remove());

const list = (path: string, limit = 100, after: string | null = null) =>
  listTree(store.git, commit, { path, limit, after }, signal);

async function read(path: string, offset: number, length: number): Promise<string> {
  const { id } = await findFile(store.git, commit, path, signal);
  const chunks: Buffer[] = [];
  await readBlob(store.git, id, { offset, length }, async (chunk) => void chunks.push(chunk), signal);
  return Buffer.concat(chunks).toString();
}

test('a directory is listed with what its entries are, in pages', async () => {
  const { items, next } = await list('');
  expect(next).toBeNull();
  const of = (name: string) => items.find((item) => item.name === name);
  expect(of('a b')).toEqual({ name: 'a b', path: 'a b', type: 'file', size: 5, executable: true });
  expect(of('src')).toEqual({ name: 'src', path: 'src', type: 'directory', size: null, executable: false });
  expect(of('link')).toMatchObject({ type: 'symlink', size: 3 });
  expect(of('sub')).toMatchObject({ type: 'submodule', size: null });
  expect(of('not-\\xff')).toMatchObject({ type: 'file' });
  expect((await list('src')).items).toMatchObject([{ name: 'deep', path: 'src/deep' }]);
  const paged: string[] = [];
  for (let after: string | null = null, more = true; more; ) {
    const page = await list('', 2, after);
    paged.push(...page.items.map(({ name }) => name));
    after = page.next;
    more = after !== null;
  }
  expect(paged).toEqual(items.map(({ name }) => name));
});

test('what cannot be listed or read says why; names are never taken for patterns', async () => {
  const refused = (code: string, text: string) => ({ code, message: expect.stringContaining(text) });
  await expect(list('nope')).rejects.toMatchObject(refused('not_found', 'nope'));
  await expect(list('a b')).rejects.toMatchObject(refused('conflict', 'is a file'));
  await expect(list('link')).rejects.toMatchObject(refused('conflict', 'symlink'));
  await expect(list('sub')).rejects.toMatchObject(refused('conflict', 'submodule'));
  await expect(read('out', 0, 9)).rejects.toMatchObject(refused('conflict', 'out is a symlink'));
  await expect(read('link/deep/f', 0, 9)).rejects.toMatchObject(refused('conflict', 'link is a symlink'));
  await expect(read('src', 0, 9)).rejects.toMatchObject(refused('conflict', 'is a directory'));
  await expect(read('a b/c', 0, 9)).rejects.toMatchObject(refused('not_found', 'a b/c'));
  await expect(read('s*', 0, 9)).rejects.toMatchObject(refused('not_found', 's*'));
  expect([await read('*', 0, 9), await read(':(top)x', 0, 9)]).toEqual(['s', '1']);
});

test('any range of a file is read, and no more of it', async () => {
  const whole = Array.from({ length: 200_000 }, (_, index) => `${index + 1}\n`).join('');
  for (const [offset, length] of [
    [0, 10],
    [1_000_000, 70_000],
    [whole.length - 7, 7],
    [5, 0],
    [0, whole.length],
  ] as const) {
    expect(await read('big', offset, length)).toBe(whole.slice(offset, offset + length));
  }
});

test('a reader that fails or leaves ends the reading', async () => {
  const { id } = await findFile(store.git, commit, 'big', signal);
  const range = { offset: 0, length: 1_000_000 };
  const failing = () => Promise.reject(new Error('no more room'));
  await expect(readBlob(store.git, id, range, failing, signal)).rejects.toThrow('no more room');
  const leaving = new AbortController();
  const left = readBlob(store.git, id, range, async () => leaving.abort(), leaving.signal);
  await expect(left).rejects.toMatchObject({ name: 'AbortError' });
});
