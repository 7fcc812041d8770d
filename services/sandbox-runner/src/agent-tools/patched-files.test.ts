// What several parts of a patch come to.

import { createTwoFilesPatch } from 'diff';
import { expect, it } from 'vitest';
import { EditRefused, readPatch } from './edit-text.ts';
import { createPatchedFiles } from './patched-files.ts';

const there: Record<string, string> = { a: 'one\n', b: 'two\n', large: `${'x'.repeat(1_000_000)}\n` };

async function patched(...parts: [from: string | null, to: string | null, before: string, after: string][]) {
  const files = createPatchedFiles(async (path) =>
    there[path] === undefined ? undefined : { text: there[path], blob: `blob of ${path}` },
  );
  for (const [from, to, before, after] of parts) {
    const patch = createTwoFilesPatch(from ?? '/dev/null', to ?? '/dev/null', before, after);
    for (const part of readPatch(patch)) await files.apply(part);
  }
  return files.all().map(({ path, content, before }) => [path, content, before]);
}

it('a later part is of what an earlier one has made of its file, which is written once', async () => {
  expect(await patched(['a', 'a', 'one\n', 'two\n'], ['a', 'a', 'two\n', 'three\n'])).toEqual([
    ['a', 'three\n', 'blob of a'],
  ]);
  await expect(patched(['a', 'a', 'one\n', 'two\n'], ['a', 'a', 'one\n', 'three\n'])).rejects.toThrow(EditRefused);
});

it('what is moved is written before it is deleted', async () => {
  expect(await patched(['a', 'moved', 'one\n', 'one!\n'], [null, 'new', '', 'n\n'], ['b', null, 'two\n', ''])).toEqual([
    ['moved', 'one!\n', ''],
    ['new', 'n\n', ''],
    ['a', null, 'blob of a'],
    ['b', null, 'blob of b'],
  ]);
});

it('what is made and deleted again is not there, and what is gone cannot be changed', async () => {
  expect(await patched([null, 'new', '', 'n\n'], ['new', null, 'n\n', ''])).toEqual([]);
  await expect(patched(['a', null, 'one\n', ''], ['a', 'a', 'one\n', 'x\n'])).rejects.toThrow('there is no a');
  await expect(patched(['none', 'none', 'one\n', 'x\n'])).rejects.toThrow('there is no none');
  await expect(patched(['a', 'a', 'one\n', 'x\n'], [null, 'a', '', 'y\n'])).rejects.toThrow('already');
});

it('is bounded in all', async () => {
  const part = ['large', 'large', there['large']!, `y\n${there['large']}`] as const;
  const more = ['large', 'large', `y\n${there['large']}`, there['large']!] as const;
  await expect(
    patched(...Array.from({ length: 10 }, (_, index) => [...(index % 2 ? more : part)] as never)),
  ).rejects.toThrow('too much together');
});
