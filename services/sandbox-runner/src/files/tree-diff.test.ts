import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { diffPatchBytesMax } from '@worktrail/contract/session-files';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeStore, type Store } from './files-fixture.ts';
import { cutPatch, readDiffFiles, readPatch } from './tree-diff.ts';

const { signal } = new AbortController();
let store: Store;
beforeAll(async () => {
  store = await makeStore('tree-diff');
});
afterAll(() => store.remove());

/** The tree that `git apply` makes of the patch on `from`. */
async function treeOfApplied(from: string, patch: Buffer): Promise<string> {
  await writeFile(join(store.path, '.git', 'the.patch'), patch);
  await store.sh(`git read-tree ${from}; git apply --cached --whitespace=nowarn .git/the.patch`);
  return (await store.sh('git write-tree; git read-tree HEAD')).trim();
}

test('files of every kind are listed, and their patch makes the same tree', async () => {
  const from =
    await store.commit(`seq 1 100 > text; echo mode > mode; head -c 5000 /dev/urandom > binary; echo gone > gone
    ln -s text link; seq 1 50 > moves; printf 'a\\r\\nb' > crlf; mkdir d; echo 1 > d/f; echo type > type`);
  const to =
    await store.commit(`sed -i s/50/fifty/ text; chmod +x mode; head -c 5000 /dev/urandom > binary; rm gone; ln -sf d link
    git mv moves "d/moved here"; printf 'a\\r\\nc\\r\\n' > crlf; echo '51' >> 'd/moved here'; : > empty; rm type; ln -s x type
    printf '\\377\\376' > "$(printf 'not-\\377-utf8')"; printf x > "$(printf 'new\\nline')"; printf y > '"quoted"'
    git update-index --add --cacheinfo 160000,${from},sub; mkdir -p sub`);
  const { files, truncated } = await readDiffFiles(store.git, { from, to }, signal);
  expect(truncated).toBe(false);
  expect(files).toContainEqual({ path: 'text', status: 'modified', additions: 1, deletions: 1, binary: false });
  expect(files).toContainEqual({ path: 'mode', status: 'mode_changed', additions: 0, deletions: 0, binary: false });
  expect(files).toContainEqual({ path: 'binary', status: 'modified', additions: 0, deletions: 0, binary: true });
  const moved = { path: 'd/moved here', oldPath: 'moves', status: 'renamed', additions: 1, deletions: 0 };
  expect(files).toContainEqual({ ...moved, binary: false });
  expect(files.map(({ path }) => path)).toEqual(
    expect.arrayContaining([
      'gone',
      'link',
      'crlf',
      'empty',
      'not-\\xff-utf8',
      'new\\x0aline',
      '"quoted"',
      'type',
      'sub',
    ]),
  );
  const { patch } = await readPatch(store.git, { from, to }, signal);
  expect(await treeOfApplied(from, patch)).toBe((await store.sh(`git rev-parse ${to}^{tree}`)).trim());
  expect(await readDiffFiles(store.git, { from, to: from }, signal)).toEqual({ files: [], truncated: false });
  expect(await readPatch(store.git, { from, to: from }, signal)).toEqual({ patch: Buffer.alloc(0), truncated: false });
});

test('of a patch over its limit whole files are kept, and git applies them', async () => {
  const from = await store.commit('rm -rf ./* ; echo 1 > a');
  const lines = `awk 'BEGIN { for (i = 0; i < 60000; i++) print i, "diff --git a/x b/x" }'`;
  const to = await store.commit(`for n in 1 2 3 4 5 6; do ${lines} > file$n; done`);
  const { patch, truncated } = await readPatch(store.git, { from, to }, signal);
  expect(truncated).toBe(true);
  expect(patch.length).toBeLessThan(diffPatchBytesMax + 200);
  expect(patch.toString().trimEnd().split('\n').at(-1)).toMatch(/^# The patch ends here, at its limit of 5 MiB/);
  const tree = await treeOfApplied(from, patch);
  expect((await store.sh(`git ls-tree --name-only ${tree}`)).trim().split('\n')).toEqual([
    'a',
    'file1',
    'file2',
    'file3',
  ]);
});

test('a patch is cut at the begin of a file, wherever the limit falls', () => {
  const file = fc
    .array(fc.constantFrom('+a', '-diff --git a b', ' x', '@@ -1 +1 @@'))
    .map((lines) => ['diff --git a/f b/f', ...lines]);
  fc.assert(
    fc.property(fc.array(file, { minLength: 1, maxLength: 6 }), fc.integer({ min: 1, max: 400 }), (files, bytesMax) => {
      const texts = files.map((lines) => `${lines.join('\n')}\n`);
      const { patch, truncated } = cutPatch(Buffer.from(texts.join('')), bytesMax);
      if (!truncated) {
        expect(patch.toString()).toBe(texts.join(''));
        return;
      }
      const kept = patch.toString().replace(/# The patch ends here.*\n$/, '');
      expect(kept.length).toBeLessThanOrEqual(bytesMax);
      const wholes = texts.map((_, index) => texts.slice(0, index).join(''));
      expect(wholes).toContain(kept);
      expect(wholes.filter((whole) => whole.length <= bytesMax).at(-1)).toBe(kept);
    }),
  );
});
