// Reverting in a real sandbox: whatever was made of the work tree and the repository since, and whoever died in between.

import { readdir, rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { CheckpointFacts } from '@worktrail/contract/checkpoints';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunnerBench, startRunnerBench } from '../runner-bench.ts';
import { type CheckpointBench, createCheckpointBench, listing, type TriedSession } from './checkpoint-bench.ts';

let bench: RunnerBench;
let tried: CheckpointBench;
beforeAll(async () => {
  bench = await startRunnerBench('reverts');
  tried = createCheckpointBench(bench);
});
afterAll(() => bench.close());

const { signal } = new AbortController();

const repository =
  'git status --porcelain -z; git diff; git diff --cached; git for-each-ref; git stash list; git log --format=%H; cat .git/HEAD .git/config; ls .git | grep -v branches';
const work = `
  git config user.name a; git config user.email a@example.org; echo 1 > one; mkdir -p deep/er; echo d > deep/er/file; git add .; git commit -qm one
  echo 2 > two; git add two; echo three > two; ln -s one link; printf '#!/bin/sh\\n' > run; chmod 755 run; rm README.md
  echo stashed > stashed; git add stashed; git stash push -q stashed; git tag kept; echo u > untracked; printf 'x\\r\\n' > crlf
  printf 'ignored/\\n*.log\\n' > .gitignore; mkdir ignored; echo i > ignored/one`;

interface Worked {
  session: TriedSession;
  checkpoint: CheckpointFacts;
  before: string[];
}

/** A session with work of every kind, and a checkpoint of it. */
async function worked(): Promise<Worked> {
  const session = await tried.open();
  await session.run(work);
  const checkpoint = await session.kept();
  return { session, checkpoint, before: await stateOf(session) };
}

let shared: Worked | undefined;

/** One that is put back each time; after a failure the next is a new one. */
async function inShared(use: (worked: Worked) => Promise<void>): Promise<void> {
  const one = shared ?? (await worked());
  shared = undefined;
  await use(one);
  shared = one;
}

async function stateOf(session: TriedSession): Promise<string[]> {
  return [await session.run(listing), await session.run(repository)];
}

test('everything is as it was, what was there before is a checkpoint, and a revert can be reverted', async () => {
  const { session, checkpoint, before } = await worked();
  await session.run(`
    git stash pop -q; git commit -qam all; git checkout -qb other; git branch -D worktrail/x 2> /dev/null; echo changed > one; rm -r deep; mkdir two.d
    rm two; mkdir two; echo x > two/in; rm link; mkdir link; echo y > link/in; rm run; ln -s /etc/passwd run; echo new > 'new file'; git tag other`);
  const changed = await stateOf(session);
  const reverted = await session.revert(checkpoint);
  expect(reverted.checkpoint).toMatchObject({ number: 3, tree: checkpoint.tree, headCommit: checkpoint.headCommit });
  expect(reverted).toMatchObject({
    notTouched: ['what is ignored: 1 file or directory: ignored/'],
    notRestored: [],
    removed: [],
  });
  expect(await stateOf(session)).toEqual(before);
  expect(
    await session.run('cat ignored/one; git fsck --no-dangling 2>&1; git stash pop -q && cat stashed; git stash -q'),
  ).toBe('i\nstashed\n');
  await session.revert(session.checkpoints[1]!);
  expect(await stateOf(session)).toEqual(changed);
});

test('what a fork is reverted to is on the fork’s branch, also where it was its parent’s', async () => {
  const session = await tried.open();
  const { branch } = session.input;
  const inherited = await session.kept();
  await session.run('git checkout -q --detach');
  await session.kept();
  const input = session.revertInput(inherited, {
    branch: 'worktrail/fork',
    branchesBefore: ['worktrail/none', branch],
  });
  await tried.engine.revert(await session.sandbox(), input, signal);
  expect(await session.run('git branch --format="%(HEAD) %(refname:short)"')).toBe('* worktrail/fork\n');
});

test('files that are as they were are not written, and the next checkpoint finds nothing changed', async () => {
  const { session, checkpoint } = await worked();
  const written = `find . -name .git -prune -o -type f -printf '%p %i %T@ %C@\\n' | grep -v '/two ' | sort`;
  const before = await session.run(written);
  await session.run('echo other > two; echo new > new');
  await session.revert(checkpoint);
  expect(await session.run(written)).toBe(before);
  expect(await session.take()).toMatchObject({ changed: false });
});

test.each([
  [
    'in the middle of a rebase',
    'git stash -qu; git checkout -qb x; echo x > one; git commit -qam x; git checkout -q -; echo y > one; git commit -qam y; git rebase x',
  ],
  [
    'in the middle of a merge',
    'git stash -qu; git checkout -qb x; echo x > one; git commit -qam x; git checkout -q -; echo y > one; git commit -qam y; git merge x',
  ],
  ['on no branch', 'git checkout -q --detach; git commit -q --allow-empty -m x'],
  ['on a branch that is gone', 'echo "ref: refs/heads/nowhere" > .git/HEAD; rm -rf .git/refs/heads .git/packed-refs'],
  ['gone', 'rm -rf .git'],
  ['a FIFO', 'rm -rf .git; mkfifo .git'],
  ['a link', 'rm -rf ~/elsewhere; mv .git ~/elsewhere; ln -s ~/elsewhere .git'],
  ['elsewhere', 'rm -rf ~/elsewhere; mv .git ~/elsewhere; echo "gitdir: $HOME/elsewhere" > .git'],
  ['locked', 'touch .git/index.lock .git/HEAD.lock .git/config.lock'],
  ['garbage', 'echo x > .git/HEAD; echo "[x" > .git/config; head -c 1000 /dev/urandom > .git/index'],
  ['without objects', 'rm -rf .git/objects'],
  ['not to be entered', 'chmod 0 .git'],
  ['not to be written', 'chmod -R a-w .git'],
  ['with corrupt objects', 'find .git/objects -type f -exec sh -c "chmod u+w \\$1; echo > \\$1" sh {} \\;'],
  [
    'one that runs programs',
    'git config core.fsmonitor "touch /tmp/ran; false"; git config filter.x.clean "touch /tmp/ran; cat"; git config filter.x.smudge "touch /tmp/ran; cat"; echo "* filter=x" > .gitattributes; printf "#!/bin/sh\\ntouch /tmp/ran\\n" > .git/hooks/post-checkout; chmod +x .git/hooks/post-checkout',
  ],
  ['with another index', 'git add -A; git rm -q --cached one; git update-index --assume-unchanged two'],
  ['with a work tree elsewhere', 'git config core.worktree /tmp; git config core.bare true'],
])('a repository that is %s neither keeps a revert from its end nor outlives it', async (_, breaking) => {
  await inShared(async ({ session, checkpoint, before }) => {
    await session.run(`${breaking}; echo 3 > three; echo changed > one`);
    const { checkpoint: made } = await session.revert(checkpoint);
    expect(made).toMatchObject({
      tree: checkpoint.tree,
      headCommit: checkpoint.headCommit,
      headRef: checkpoint.headRef,
    });
    expect(await stateOf(session)).toEqual(before);
    expect(await session.run('ls /tmp/ran 2>&1; git fsck --no-dangling 2>&1')).toContain('No such file');
  });
});

test.each([
  ['a directory that cannot be written', 'rm one; chmod 555 deep/er; chmod 555 deep'],
  ['a work tree that cannot be written', 'rm one; echo x > x; chmod 555 .'],
  ['a directory that cannot be read', 'mkdir shut; echo x > shut/x; chmod 0 deep/er'],
  ['files where directories were', 'rm -r deep; echo deep > deep'],
  ['a link to elsewhere where a directory was', 'mkdir ~/far; echo far > ~/far/er; rm -r deep; ln -s ~/far deep'],
  ['directories where files were', 'rm one two link; mkdir -p one/a two/b link/c; echo x > one/a/x; echo x > link/c/x'],
  [
    'names of every kind',
    `echo x > -dash; echo x > "$(printf 'new\\nline')"; echo x > "$(printf 'not-\\377-utf8')"; echo x > ':(top)x'; mkdir ' '; echo x > ' / '`,
  ],
  ['ten thousand files', 'mkdir many; (cd many; seq 1 10000 | xargs touch)'],
  [
    'a repository of another',
    'mkdir in; cd in; git init -q; git config user.name a; git config user.email a@x; echo x > x; git add x; git commit -qm x; echo y > y',
  ],
  [
    'a broken repository of another',
    'mkdir -p in/.git/objects; echo x > in/x; echo "ref: x" > in/.git/HEAD; mkdir -p deep/.git; echo garbage > deep/.git/HEAD',
  ],
])('%s is gone after a revert', async (_, making) => {
  await inShared(async ({ session, checkpoint, before }) => {
    await session.run(making);
    const { checkpoint: made } = await session.revert(checkpoint);
    expect(made.tree).toBe(checkpoint.tree);
    expect(await stateOf(session)).toEqual(before);
    expect(await session.run('cat ~/far/er 2> /dev/null; rm -rf ~/far; ls -d in shut many " " 2> /dev/null')).toBe(
      making.includes('~/far') ? 'far\n' : '',
    );
  });
});

test('repositories in the work tree are as they were too', async () => {
  const session = await tried.open();
  await session.run(`
    git config user.name a; git config user.email a@example.org; printf '[submodule "m"]\\n\\tpath = m\\n\\turl = x\\n' > .gitmodules
    for r in m nested nested/inner; do mkdir $r; (cd $r; git init -q; git config user.name a; git config user.email a@x; echo 1 > x; git add x; git commit -qm x; echo 2 > y); done
    git add .gitmodules m; git commit -qm m`);
  const checkpoint = await session.kept();
  const state =
    'for r in . m nested nested/inner; do (cd $r; pwd; git status -s; git log --format=%H; cat x y 2> /dev/null); done; git submodule status';
  const before = await session.run(state);
  await session.run(
    'cd m; git commit -qam changed; echo z > z; cd ../nested; rm -rf .git x; echo w > w; cd inner; git checkout -q --detach; echo v > x',
  );
  await session.revert(checkpoint);
  expect(await session.run(state)).toBe(before);
  await session.run('rm -rf m nested; echo nested > nested');
  await session.revert(checkpoint);
  expect(await session.run(state)).toBe(before);
  expect(await session.take()).toMatchObject({ changed: false });
});

test('what is in no checkpoint stays and is named; what the checkpoint would not have ignored goes and is named', async () => {
  const session = await tried.open();
  const engine = tried.makeEngine({
    limits: { fileBytesMax: 1e6, packBytesMax: 1e9, timeoutMs: 60_000, diskReserveBytes: 0 },
  });
  const sandbox = await session.sandbox();
  const take = async () => {
    const result = await engine.take(sandbox, session.next({ evenIfUnchanged: true }), signal);
    if (!result.changed) throw new Error('it was asked for');
    session.checkpoints.push(result.checkpoint);
    session.bundles.push({ ...result.bundle, upTo: result.checkpoint.number });
    return result.checkpoint;
  };
  await session.run('printf "*.tmp\\n" > .gitignore; head -c 2000000 /dev/zero > large; echo t > a.tmp; echo k > kept');
  const first = await take();
  await session.run(`
    printf "*.tmp\\nmodules/\\n*.log\\n" > .gitignore; mkdir modules; echo m > modules/m; echo l > b.log; git add -f b.log; echo c > c.log
    head -c 3000000 /dev/zero > larger; mkfifo pipe; echo s > secret; chmod 0 secret; rm kept
    mkdir .Git; echo g > .Git/config`);
  await take();
  const reverted = await engine.revert(sandbox, session.revertInput(first), signal);
  expect(reverted).toEqual({
    notTouched: [
      '2 files over 0 MiB: large, larger',
      '1 file that cannot be read: secret',
      '1 file whose name git refuses: .Git/config',
      'what is ignored: 1 file or directory: a.tmp',
      '1 special file: pipe',
    ],
    notRestored: ['1 file over 0 MiB: large'],
    removed: ['2 files that were ignored: c.log, modules/m'],
  });
  expect((await take()).tree).toBe(first.tree);
  expect(await session.run('ls -A')).toBe(
    '.Git\n.git\n.gitignore\nREADME.md\na.tmp\nkept\nlarge\nlarger\npipe\nsecret\nsrc\n',
  );
});

test('what was recorded although it is ignored goes, and nothing through a link', async () => {
  const session = await tried.open();
  await session.run('printf "cache/\\n" > .gitignore; mkdir ~/cache; echo far > ~/cache/one');
  const first = await session.kept();
  await session.run('mkdir cache; echo 1 > cache/one; echo 2 > cache/two; git add -f cache/one');
  await session.revert(first);
  expect(await session.run('ls cache; cat ~/cache/one')).toBe('two\nfar\n');
});

test('killed anywhere, or let go of by its runner, it is done by the next attempt, and done again it is the same', async () => {
  const { session, checkpoint, before } = await worked();
  await session.run(
    'rm -rf .git deep; echo x > one; seq 1 2000 | xargs touch; mkdir link.d; rm link; mkdir link; echo x > link/x',
  );
  await session.kept();
  const input = session.revertInput(checkpoint);
  const sandbox = await session.sandbox();
  const kill = `kill -9 $(grep -lsE 'restore[.]pack' /proc/[0-9]*/cmdline | cut -d/ -f3) 2> /dev/null`;
  for (const delayMs of [20, 60, 100, 150, 200, 300]) {
    const attempt = tried
      .makeEngine()
      .revert(sandbox, input, signal)
      .then(
        () => 'done',
        () => 'killed',
      );
    await delay(delayMs);
    await session.run(kill);
    await attempt;
  }
  for (const delayMs of [1, 10, 30, 60, 100]) {
    await tried
      .makeEngine()
      .revert(sandbox, input, AbortSignal.timeout(delayMs))
      .catch(() => undefined);
  }
  await tried.makeEngine().revert(sandbox, input, signal);
  expect(await stateOf(session)).toEqual(before);
  await tried.makeEngine().revert(sandbox, { ...input, revertId: 'again' }, signal);
  expect(await stateOf(session)).toEqual(before);
  expect((await session.kept({ evenIfUnchanged: true })).tree).toBe(checkpoint.tree);
});

const private_ = '/worktrail/checkpoints/work';
test.each([
  ['is gone', `rm -rf ${private_}/git`],
  ['is a FIFO', `rm -rf ${private_}/git; mkfifo ${private_}/git`],
  ['cannot be entered', `chmod 0 ${private_}/git`],
  ['is locked', `touch ${private_}/git/trees/main.index.lock ${private_}/git/index.lock`],
  ['has an index of garbage', `head -c 100000 /dev/urandom > ${private_}/git/trees/main.index`],
  ['has no objects', `rm -rf ${private_}/git/objects`],
  ['has poisoned objects', `find ${private_}/git/objects -type f -exec sh -c 'chmod u+w "$1"; echo > "$1"' sh {} \\;`],
  [
    'tells of a link',
    `ln -sf /etc/passwd ${private_}/untouched; mkdir ${private_}/scratch; chmod 0 ${private_}/scratch`,
  ],
])('a private git directory that %s does not keep a revert from its end', async (_, attack) => {
  await inShared(async ({ session, checkpoint, before }) => {
    await session.run('echo changed > one; echo new > new');
    await session.take();
    await session.run(attack);
    await tried.engine.revert(await session.sandbox(), session.revertInput(checkpoint), signal);
    expect(await stateOf(session)).toEqual(before);
  });
});

test('a host that has nothing of the checkpoint fetches it; one that cannot be fetched leaves all as it is', async () => {
  const { session, checkpoint, before } = await worked();
  await session.run('echo changed > one; echo new > new');
  await session.kept();
  const changed = await stateOf(session);
  await rm(`${session.path}/store.git`, { recursive: true });
  const artifact = tried.artifactPath(session.bundles[0]!.name);
  await rm(artifact);
  const reverting = async () => tried.engine.revert(await session.sandbox(), session.revertInput(checkpoint), signal);
  await expect(reverting()).rejects.toThrow(expect.objectContaining({ name: 'ArtifactMissing' }));
  expect(await stateOf(session)).toEqual(changed);
  const kept = (await readdir(`${session.path}/bundles`)).length;
  expect(kept).toBe(1);
  const other = await worked();
  await rm(`${other.session.path}/store.git`, { recursive: true });
  await other.session.run('echo changed > one');
  const { checkpoint: made } = await other.session.revert(other.checkpoint);
  expect(made.tree).toBe(other.checkpoint.tree);
  expect(await stateOf(other.session)).toEqual(other.before);
  expect(before).toHaveLength(2);
});
