import { expect, test } from 'vitest';
import { compareFiles, readChanges } from './file-changes.ts';

const file = (path: string, additions: number, deletions: number, more: object = {}) => ({
  ...{ path, status: 'modified' as const, additions, deletions, binary: false },
  ...more,
});
const patchOf = (...sections: string[][]) => sections.map((lines) => `${lines.join('\n')}\n`).join('');
const header = (path: string) => [`diff --git a/${path} b/${path}`, 'index 1..2 100644'];
const change = [...header('a'), '--- a/a', '+++ b/a', '@@ -1,2 +1,2 @@ f()', ' same', '-old', '+new'];
/** A file that has become a symlink is a patch that deletes it and one that adds it. */
const typeChange = [
  ...['diff --git a/t b/t', 'deleted file mode 100644', '--- a/t', '+++ /dev/null', '@@ -1 +0,0 @@', '-text'],
  ...['diff --git a/t b/t', 'new file mode 120000', '--- /dev/null', '+++ b/t', '@@ -0,0 +1 @@', '+target'],
  '\\ No newline at end of file',
];

test('each file of the list has its hunks, whatever stands between them', () => {
  const files = [
    file('a', 1, 1),
    file('b', 0, 0, { status: 'renamed', oldPath: 'old b' }),
    file('c', 0, 0, { binary: true }),
    file('t', 1, 1),
    file('x\\x1b', 1, 0, { status: 'added' }),
  ];
  const patch = patchOf(
    change,
    ['diff --git a/old b b/b', 'similarity index 100%', 'rename from old b', 'rename to b'],
    [...header('c'), 'GIT binary patch', 'literal 3', 'Kc--- @@', '', 'literal 0', 'HcmV?d00001', ''],
    typeChange,
    [
      ...['diff --git "a/x\\033" "b/x\\033"', 'new file mode 100644', '--- /dev/null', '+++ "b/x\\033"'],
      ...['@@ -0,0 +1 @@', '+first\rdiff --git a/evil b/evil'],
    ],
  );
  const changes = readChanges({ files, patch, truncated: false });
  expect(changes.map(({ without }) => without)).toEqual([null, null, 'binary', null, null]);
  expect(changes.map(({ hunks }) => hunks.flatMap(({ lines }) => lines))).toEqual([
    [' same', '-old', '+new'],
    [],
    [],
    ['-text', '+target', '\\ No newline at end of file'],
    ['+first\rdiff --git a/evil b/evil'],
  ]);
});

test('what is missing from a patch, or does not agree with the list, is said instead', () => {
  const files = [file('a', 1, 1), file('b', 1, 0)];
  const without = (patch: string, truncated: boolean) =>
    readChanges({ files, patch, truncated }).map((one) => one.without);
  expect(without(`${patchOf(change)}# The patch ends here\n`, true)).toEqual([null, 'patch_cut']);
  expect(without('', false)).toEqual(['unreadable', 'unreadable']);
  expect(without(patchOf([...change, '+more']), false)).toEqual(['unreadable', 'unreadable']);
  expect(without(patchOf(change, [...header('b'), '@@ -1 +0,0 @@', '-other']), false)).toEqual([null, 'unreadable']);
});

test('a file is compared under the name that the sessions began with', () => {
  const own = (path: string, oldPath?: string) =>
    readChanges({ files: [file(path, 0, 0, oldPath ? { oldPath } : {})], patch: '', truncated: false })[0]!;
  const compared = compareFiles([[own('b'), own('z')], [own('renamed', 'b')], []]);
  expect(compared.map(({ path, changes }) => [path, changes.map((one) => one?.path ?? null)])).toEqual([
    ['b', ['b', 'renamed', null]],
    ['z', ['z', null, null]],
  ]);
  const copied = compareFiles([[own('b2', 'b'), own('c', 'b')]]);
  expect(copied.map(({ path }) => path)).toEqual(['b', 'c']);
});
