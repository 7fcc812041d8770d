// Whatever its user does with the repository of a session: it is checkpointed, its head and branch are told as git has them, and from that
// checkpoint a diff, a fork, a proposal and a revert are made.

import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { CheckpointFacts } from '@worktrail/contract/checkpoints';
import { newId } from '@worktrail/contract/ids';
import type { PreparedCandidate } from '@worktrail/contract/proposal-activities';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  type CheckpointBench,
  createCheckpointBench,
  listing,
  type TriedSession,
} from '../checkpoints/checkpoint-bench.ts';
import { createStoreGit } from '../checkpoints/store-git.ts';
import { readDiffFiles } from '../files/tree-diff.ts';
import { startAsChild } from '../host/program-start.ts';
import { makeRepository, type RunnerBench, startRunnerBench } from '../runner-bench.ts';
import { prepareCandidate } from './candidate.ts';

let bench: RunnerBench;
let tried: CheckpointBench;
let session: TriedSession;
const { signal } = new AbortController();
beforeAll(async () => {
  bench = await startRunnerBench('user-repositories');
  tried = createCheckpointBench(bench, { artifacts: bench.artifacts });
  session = await tried.open();
  await session.run(
    'git config user.name a; git config user.email a@example.org; echo m > mine; git add .; git commit -qm mine',
  );
  await session.kept();
});
afterAll(() => bench.close());
// From whatever the test before has left.
beforeEach(async () => {
  const clean = session.checkpoints[0]!;
  const { checkpoint } = await session.revert(clean);
  const { tree, headRef, headCommit } = clean;
  expect(checkpoint).toMatchObject({ tree, headRef, headCommit });
});

/** The candidate of a checkpoint. */
async function propose({ input: of, opened, bundles }: TriedSession, at: CheckpointFacts): Promise<PreparedCandidate> {
  const { organizationId, projectId, sessionId, repository } = of;
  const { id, number, commit, tree } = at;
  const { mirrors } = bench.parts();
  const deps = { directory: join(bench.path, 'proposals'), diskReserveBytes: 0, artifacts: bench.artifacts };
  const when = '2026-01-01T00:00:00.000Z';
  const { baseCommit } = opened;
  const input = {
    ...{ organizationId, projectId, sessionId, proposalId: newId('proposal'), checkpointId: newId('checkpoint') },
    ...{ repository, branch: 'worktrail/checks', before: null, at: when },
    head: { title: 'Work', author: { id: 'prn_ada', name: 'Ada' }, at: when },
    from: { kind: 'session' as const, baseCommit, checkpoint: { id, number, commit, tree }, bundles },
  };
  return prepareCandidate({ ...deps, mirrors, start: startAsChild }, input, signal);
}

const hook = 'printf "#!/bin/sh\\ntouch /tmp/ran\\n"';
const hooks =
  'for h in pre-commit post-commit post-checkout reference-transaction post-index-change pre-auto-gc post-merge; do';

/** `on`: what HEAD is on afterwards; null: on no branch. */
const doings: [string, { on: string | null; doing: string }][] = [
  ['commits', { on: 'its own', doing: 'echo c > c; git add c; git commit -qm c' }],
  [
    'rebases',
    {
      on: 'its own',
      doing: 'git checkout -qb t HEAD~1; echo t > t; git add t; git commit -qm t; git checkout -q -; git rebase -q t',
    },
  ],
  [
    'is in the middle of a rebase',
    {
      on: null,
      doing:
        'git checkout -qb t HEAD~1; echo t > mine; git add .; git commit -qm t; git checkout -q -; git rebase -q t',
    },
  ],
  ['is on another branch', { on: 'side', doing: 'git checkout -qb side; git commit -q --allow-empty -m side' }],
  [
    'has removed the session’s branch',
    { on: 'side', doing: 'own=$(git branch --show-current); git checkout -qb side; git branch -qD $own' },
  ],
  ['is on no branch', { on: null, doing: 'git checkout -q --detach HEAD~1' }],
  ['has hooks', { on: 'its own', doing: `${hooks} ${hook} > .git/hooks/$h; chmod +x .git/hooks/$h; done` }],
  ['has broken the index', { on: 'its own', doing: 'echo garbage > .git/index' }],
  ['has broken the configuration', { on: 'its own', doing: 'echo "[x" > .git/config' }],
  [
    'has repositories in the work tree',
    {
      on: 'its own',
      doing:
        '(mkdir in; cd in; git init -q; git config user.name a; git config user.email a@x; echo x > x; git add x; git commit -qm x; echo y > y)',
    },
  ],
  ['has removed the repository', { on: null, doing: 'rm -rf .git' }],
];

test.each(doings)('who %s has a checkpoint, a diff, a fork, a proposal and a revert', async (name, { on, doing }) => {
  const { branch } = session.input;
  const clean = session.checkpoints[0]!;
  // What git says of it, where it can.
  const head = async (of: TriedSession) =>
    (
      await of.run(
        'GIT_CONFIG_COUNT=0 git rev-parse -q --verify HEAD 2> /dev/null || cat .git/refs/heads/worktrail/* 2> /dev/null',
      )
    ).trim();
  await session.run(`${doing} > /dev/null 2>&1; rm -f /tmp/ran; echo work > work`);
  const [files, headCommit] = [await session.run(listing), (await head(session)) || null];
  const checkpoint = await session.kept();
  const headRef = on && `refs/heads/${on === 'its own' ? branch : on}`;
  expect(checkpoint).toMatchObject({ headRef, headCommit });

  const git = createStoreGit(join(session.path, 'store.git'), startAsChild);
  const diff = await readDiffFiles(git, { from: clean.commit, to: checkpoint.commit }, signal);
  expect(diff.files).toContainEqual(expect.objectContaining({ path: 'work', status: 'added' }));

  const fork = await session.fork(checkpoint, tried);
  expect(await fork.run(listing)).toBe(files);
  expect((await head(fork)) || null).toBe(headCommit);
  const ofFork = on && `refs/heads/${on === 'its own' ? fork.input.branch : on}`;
  expect((await fork.take({ evenIfUnchanged: true })) as unknown).toMatchObject({ checkpoint: { headRef: ofFork } });
  await bench.parts().sandboxes.remove(fork.input);

  const proposed = await propose(session, checkpoint);
  // Conflicts that are not resolved are not put up.
  expect(proposed.state).toBe(name === 'is in the middle of a rebase' ? 'unfit' : 'clean');

  await session.run('rm -rf .git work mine; echo later > later');
  const { checkpoint: again } = await session.revert(checkpoint);
  expect(again).toMatchObject({ tree: checkpoint.tree, headRef, headCommit: checkpoint.headCommit });
  expect([await session.run(listing), (await head(session)) || null]).toEqual([files, headCommit]);
  expect(await session.run('ls /tmp/ran 2>&1')).toContain('No such file');
});

test('a session whose upstream is force-pushed keeps its base, and goes on', async () => {
  const url = join(dirname(bench.repositoryPath), 'forced');
  await makeRepository(url);
  const own = await tried.open({ repository: { url, defaultBranch: 'main' } });
  await own.run(
    'git config user.name a; git config user.email a@example.org; echo m > mine; git add .; git commit -qm mine',
  );
  const before = await own.kept();
  await writeFile(join(url, 'README.md'), '# forced\n');
  const identity = ['-c', 'user.name=t', '-c', 'user.email=t@example.org'];
  await bench.git([...identity, 'commit', '-q', '--amend', '-am', 'Another first'], url);
  await bench.git(['tag', '-d', 'v1'], url);
  await bench.git(['branch', '-q', '-D', 'feature/other'], url);
  await bench.git(['reflog', 'expire', '--expire=now', '--all'], url);
  await bench.git(['gc', '-q', '--prune=now'], url);
  await bench.parts().mirrors.sync({ ...own.input, baseRef: null });

  const { baseCommit } = own.opened;
  await own.run('echo work > work');
  const checkpoint = await own.kept({ defaultBranch: 'main' });
  expect(await own.run(`git rev-parse HEAD~1; git fsck --no-dangling 2>&1`)).toBe(`${baseCommit}\n`);
  const fork = await own.fork(checkpoint, tried);
  expect(fork.opened).toMatchObject({ baseCommit, headCommit: checkpoint.headCommit });
  expect(await fork.run(`git rev-parse HEAD~1; cat work README.md; git fsck --no-dangling 2>&1`)).toBe(
    `${baseCommit}\nwork\n# upstream\n`,
  );
  expect(await own.revert(before)).toMatchObject({ checkpoint: { tree: before.tree, headCommit: before.headCommit } });
  // The two have no history in common any more: that is said, and nothing is made of it.
  expect(await propose(own, checkpoint)).toMatchObject({
    state: 'conflicted',
    detail: expect.stringContaining('unrelated'),
  });
});
