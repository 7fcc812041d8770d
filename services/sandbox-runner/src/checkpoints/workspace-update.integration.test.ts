import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeRepository, type RunnerBench, startRunnerBench } from '../runner-bench.ts';
import { type CheckpointBench, createCheckpointBench, type TriedSession } from './checkpoint-bench.ts';
import { createWorkspaceUpdating, type WorkspaceUpdating } from './workspace-update.ts';

let bench: RunnerBench;
let tried: CheckpointBench;
let updating: WorkspaceUpdating;
beforeAll(async () => {
  bench = await startRunnerBench('update');
  tried = createCheckpointBench(bench);
  updating = createWorkspaceUpdating(bench.parts().mirrors);
});
afterAll(() => bench.close());

const { signal } = new AbortController();

/** A session of a repository of its own, to which others push. */
async function open(): Promise<{ session: TriedSession; push(files: Record<string, string>): Promise<string> }> {
  const url = join(dirname(bench.repositoryPath), `update-${Math.random().toString(36).slice(2)}`);
  await makeRepository(url);
  const session = await tried.open({ repository: { url, defaultBranch: 'main' } });
  return {
    session,
    push: async (files) => {
      for (const [name, text] of Object.entries(files)) await writeFile(join(url, name), text);
      await bench.git(['add', '.'], url);
      await bench.git(['-c', 'user.name=t', '-c', 'user.email=t@example.org', 'commit', '-qm', 'Theirs'], url);
      return (await bench.git(['rev-parse', 'HEAD'], url)).trim();
    },
  };
}

const update = async (session: TriedSession, method: 'merge' | 'rebase' = 'merge') =>
  updating.update(await session.sandbox(), { ...session.input, method, repository: session.input.repository }, signal);
const positionOf = async (session: TriedSession) =>
  (await session.take({ evenIfUnchanged: true, defaultBranch: 'main' })).position;

test('what upstream has is merged under what the session has, committed or not, and counted', async () => {
  const { session, push } = await open();
  await session.run('echo mine > mine; git add mine; git commit -qm mine; echo half > half; echo changed >> README.md');
  expect(await positionOf(session)).toEqual({ ahead: 1, behind: 0 });
  const commit = await push({ theirs: 'theirs\n', more: 'more\n' });
  expect(await update(session)).toMatchObject({ outcome: 'updated', commit, conflicts: [] });
  expect(
    await session.run('cat mine theirs half; tail -n1 README.md; git status --porcelain; git log --format=%s -1'),
  ).toBe('mine\ntheirs\nhalf\nchanged\n M README.md\n?? half\nMerge main\n');
  expect(await positionOf(session)).toEqual({ ahead: 2, behind: 0 });
  expect(await update(session)).toMatchObject({ outcome: 'up_to_date', commit });
  await push({ later: 'later\n' });
  await bench.parts().mirrors.sync({ ...session.input, baseRef: null });
  expect(await positionOf(session)).toEqual({ ahead: 2, behind: 1 });
});

test('commits are rebased on request, changes that are not committed with them', async () => {
  const { session, push } = await open();
  await session.run('echo mine > mine; git add mine; git commit -qm mine; echo changed >> README.md');
  const commit = await push({ theirs: 'theirs\n' });
  expect(await update(session, 'rebase')).toMatchObject({ outcome: 'updated' });
  expect(await session.run('git rev-parse HEAD~1; git status --porcelain; git branch --show-current')).toBe(
    `${commit}\n M README.md\n${session.input.branch}\n`,
  );
});

test.each(['merge', 'rebase'] as const)(
  'conflicts of a %s are named and left to the session, which ends it',
  async (method) => {
    const { session, push } = await open();
    await session.run('mkdir "a dir"; echo mine > both; echo mine > "a dir/é"; git add .; git commit -qm mine');
    await push({ both: 'theirs\n' });
    const again = await update(session, method);
    expect(again).toMatchObject({ outcome: 'conflicts', conflicts: ['both'] });
    // As another attempt of the same, whose answer was lost.
    expect(await update(session, method)).toEqual(again);
    await expect(update(session, method === 'merge' ? 'rebase' : 'merge')).rejects.toThrow('under way already');
    const end = method === 'merge' ? 'git commit -qm both' : 'GIT_EDITOR=true git rebase --continue';
    await session.run(`echo both > both; git add both; ${end}`);
    expect(await update(session, method)).toMatchObject({ outcome: 'up_to_date' });
  },
);

test('where git would not begin it says why, and nothing is changed', async () => {
  const { session, push } = await open();
  await push({ untracked: 'theirs\n' });
  await session.run('echo mine > untracked; echo changed >> README.md');
  await expect(update(session)).rejects.toThrow(/git would not begin: .* untracked .*\(commit them first/);
  expect(await session.run('cat untracked; git status --porcelain; git stash list')).toBe(
    'mine\n M README.md\n?? untracked\n',
  );
  await session.run('git add untracked');
  const conflicting = { outcome: 'conflicts', conflicts: ['untracked'] };
  expect(await update(session)).toMatchObject(conflicting);
  expect(await update(session)).toMatchObject(conflicting);
  await session.run('rm -rf .git');
  await expect(update(session)).rejects.toThrow('no git repository');
});
