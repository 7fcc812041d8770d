// Files changed in a real sandbox, whoever died in between.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { newId } from '@worktrail/contract/ids';
import type { FileChangeOrder } from '@worktrail/contract/session-messages';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CheckpointBench, createCheckpointBench, type TriedSession } from '../checkpoints/checkpoint-bench.ts';
import { type RunnerBench, startRunnerBench } from '../runner-bench.ts';
import { createFileChanges } from './file-change.ts';

let bench: RunnerBench;
let tried: CheckpointBench;
let session: TriedSession;
beforeAll(async () => {
  bench = await startRunnerBench('file-changes');
  tried = createCheckpointBench(bench);
  session = await tried.open();
});
afterAll(() => bench.close());

const { signal } = new AbortController();

async function order(
  path: string,
  text: string | null,
  changes: Partial<FileChangeOrder> = {},
): Promise<FileChangeOrder> {
  const changeId = newId('event');
  const content = text === null ? null : await stored(changeId, text);
  return { changeId, path, content, executable: null, expected: null, ...changes };
}

async function stored(changeId: string, text: string) {
  const path = join(bench.path, changeId);
  await writeFile(path, text);
  return tried.artifacts.put(`content-${changeId}`, path, signal);
}

async function change(wanted: FileChangeOrder, again = false, until = signal) {
  const changes = createFileChanges({ artifacts: tried.artifacts });
  return changes.change(await session.sandbox(), { ...session.input, order: wanted, again }, until);
}

test('a file is written as the user of the sandbox, with what changed told, and is in the next checkpoint', async () => {
  const made = await change(await order('new dir/ü.txt', 'one\ntwo\n'));
  expect(made).toMatchObject({ status: 'added', oldBlob: '', additions: 2, deletions: 0, binary: false });
  expect(
    await session.run('cat "new dir/ü.txt"; stat -c "%u %a" "new dir" "new dir/ü.txt"; git status --porcelain'),
  ).toBe('one\ntwo\n1000 755\n1000 644\n?? "new dir/"\n');
  const changed = await change(
    await order('new dir/ü.txt', 'one\n', { executable: true, expected: { blob: made.newBlob } }),
  );
  expect(changed).toMatchObject({ status: 'modified', oldBlob: made.newBlob, additions: 0, deletions: 1 });
  await session.kept();
  expect(await change(await order('new dir/ü.txt', null))).toMatchObject({ status: 'deleted', deletions: 1 });
  expect(await session.run('ls "new dir"; ls /worktrail/checkpoints/given')).toBe('');
});

test('what is not as expected, leads out, or is no file is refused', async () => {
  await session.run('mkdir -p ~/far directory; ln -sfn ~/far link; chmod 555 directory');
  const refused = async (path: string, text: string | null, changes: Partial<FileChangeOrder> = {}) =>
    change(await order(path, text, changes)).then(
      () => 'done',
      (error: { code?: string }) => error.code,
    );
  expect(await refused('README.md', 'x', { expected: 'absent' })).toBe('precondition_failed');
  expect(await refused('nothing', null)).toBe('not_found');
  for (const path of ['link/x', 'directory', 'directory/x', 'README.md/x', '../x', '.git/config', 'a/../../x']) {
    expect(await refused(path, 'x')).toBe('conflict');
  }
  expect(await session.run('ls ~/far directory; cat README.md')).toContain('# upstream');
});

test('attempts of which each dies somewhere do it once', async () => {
  const wanted = await order('once', 'content', { expected: 'absent' });
  let attempts = 0;
  for (const delayMs of [0, 1, 3, 5, 10, 20, 40]) {
    await change(wanted, attempts > 0, AbortSignal.timeout(delayMs)).catch(() => undefined);
    attempts += 1;
  }
  expect(['added', 'unchanged']).toContain((await change(wanted, true)).status);
  expect(await session.run('cat once; ls -A | grep worktrail')).toBe('content');
  await expect(change(await order('once', 'other', { expected: 'absent' }))).rejects.toThrow('not as it was expected');
});
