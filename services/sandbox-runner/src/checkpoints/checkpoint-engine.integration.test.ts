import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { newId } from '@worktrail/contract/ids';
import type { OpenSandboxInput } from '@worktrail/contract/sandbox-activities';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeRepository, newSession, type RunnerBench, startRunnerBench } from '../runner-bench.ts';
import { type CheckpointBench, createCheckpointBench, listing, type TriedSession } from './checkpoint-bench.ts';

let bench: RunnerBench;
let tried: CheckpointBench;
beforeAll(async () => {
  bench = await startRunnerBench('checkpoints');
  tried = createCheckpointBench(bench);
});
afterAll(() => bench.close());

const { signal } = new AbortController();

type Restored = TriedSession & { answer: { headCommit: string | null; notKept: string[] } };

/** What the session's files are made again as, in an empty workspace whose host has nothing but the bundles. */
async function restored(from: TriedSession, changes: Partial<OpenSandboxInput> = {}): Promise<Restored> {
  return restoredIn(await tried.open(changes), from);
}

/** The same in a session that is open, where an earlier checkpoint of the same one may have been restored before. */
async function restoredIn(session: TriedSession, from: TriedSession): Promise<Restored> {
  const input = { ...session.input, restore: from.restorePoint() };
  await session.run('find . -mindepth 1 -delete');
  const sandbox = await session.sandbox();
  const upstream = await bench.parts().mirrors.sync(input);
  await tried.engine.fetch(input, input.restore, upstream.objectsPath, signal);
  const answer = await tried.engine.restoreInto(sandbox, input, upstream, signal);
  session.checkpoints = [...from.checkpoints];
  session.bundles = [...from.bundles];
  return Object.assign(session, { answer });
}

test('files of every kind and name are kept as they are, and made again elsewhere with branch, index and status', async () => {
  const session = await tried.open();
  await session.run(`
    printf x > 'a b'; printf y > "$(printf 'new\\nline')"; printf z > -dash; printf q > "$(printf 'not-\\377-utf8')"; printf '"' > "it's \\"quoted\\""
    ln -s /etc/passwd absolute; ln -s nowhere dangling; ln -s src directory; : > empty; mkdir -p deep/er; echo x > deep/er/file
    printf '#!/bin/sh\\n' > run; chmod 755 run; chmod 755 README.md; head -c 3000000 /dev/urandom > binary
    printf 'a\\r\\nb\\n' > crlf; printf '* text=auto eol=crlf\\n*.f filter=nothing\\n' > .gitattributes; echo f > x.f
    printf 'ignored/\\n' > .gitignore; mkdir ignored; echo 1 > ignored/one; echo 2 > ignored/two; git add -f ignored/two
    rm src/index.js; echo staged > staged; git add staged; echo 'not staged' > staged; echo gone > gone; git add gone; rm gone`);
  const checkpoint = await session.kept();
  expect(checkpoint).toMatchObject({
    number: 1,
    headCommit: session.opened.headCommit,
    headRef: `refs/heads/${session.input.branch}`,
    notKept: [],
  });
  const before = [
    await session.run(listing),
    await session.run('git status --porcelain -z; git diff --cached; git branch -a; cat ignored/two'),
  ];
  expect(before[0]).toContain('absolute');
  const again = await restored(session);
  expect(again.answer).toMatchObject({ headCommit: session.opened.headCommit });
  expect([
    await again.run(listing),
    await again.run('git status --porcelain -z; git diff --cached; git branch -a; cat ignored/two'),
  ]).toEqual(before);
  expect(await again.run('ls ignored; git fsck --no-dangling 2>&1')).toBe('two\n');
});

test('of what has not changed since the checkpoint before nothing is made, unless it is asked for', async () => {
  const session = await tried.open();
  await session.run('echo 1 > new');
  const first = await session.kept();
  expect(first.filesChanged).toBe(1);
  const { headCommit, headRef } = first;
  expect(await session.take()).toEqual({ changed: false, headCommit, headRef, position: null });
  expect((await session.kept({ evenIfUnchanged: true })).tree).toBe(first.tree);
  expect(await session.take()).toMatchObject({ changed: false });
  await session.run('git add new');
  expect((await session.kept()).tree).toBe(first.tree);
  await session.run('git branch other');
  expect((await session.kept()).tree).toBe(first.tree);
  await session.run('echo 2 > new');
  expect((await session.kept()).tree).not.toBe(first.tree);
  expect(session.checkpoints.map((one) => one.number)).toEqual([1, 2, 3, 4, 5]);
});

test('a half-done rebase, stashes, tags and nested repositories go on where they were', async () => {
  const session = await tried.open();
  await session.run(`git config user.name a; git config user.email a@example.org
    echo a > f; git add f; git commit -qm one; echo b > f; git commit -qam two; git checkout -q -b side HEAD~1; echo c > f; git commit -qam three
    echo 1 > f; git stash -q; echo 2 > f; git stash -q; git tag -a -m note v5; git rebase ${session.input.branch}
    mkdir nested; cd nested; git init -q -b main; git config user.name a; git config user.email a@example.org
    echo n > n; git add n; git commit -qm n; echo m > n; git add n; echo o > n; mkdir inner; cd inner; git init -q; echo i > i; git add i`);
  const { headRef, notKept } = await session.kept();
  expect({ headRef, notKept }).toEqual({ headRef: null, notKept: [] });
  const state = `git status; git stash list; git stash show -p stash@{1}; git log --all --format=%H; git rev-parse HEAD REBASE_HEAD; git cat-file -p v5
    cat .git/rebase-merge/*; git reflog; git ls-files -u; git fsck --no-dangling 2>&1
    cd nested; git status; git diff --cached; git log; git fsck --no-dangling 2>&1; cd inner; git status; git ls-files -s`;
  const before = [await session.run(state), await session.run(listing)];
  expect(before[0]).toContain('both modified:   f');
  const again = await restored(session);
  expect([await again.run(state), await again.run(listing)]).toEqual(before);
  expect(await again.take()).toMatchObject({ changed: false });
  const onward =
    'echo d > f; git add f; GIT_EDITOR=true git rebase --continue > /dev/null 2>&1; git log --format=%T; git status -s';
  expect(await again.run(onward)).toBe(await session.run(onward));
  // A directory whose files were recorded becomes a repository.
  await again.run('mkdir later; echo 1 > later/x');
  await again.kept();
  await again.run('cd later; git init -q; git add x');
  await again.kept();
  const last = await restored(again);
  expect(await last.run('cd later; git status -s; cat x')).toBe('A  x\n1\n');
});

test('what is too large, unreadable or no file is named and left out, and the rest is kept', async () => {
  const session = await tried.open();
  const engine = tried.makeEngine({
    limits: { fileBytesMax: 1_048_576, packBytesMax: 1e9, timeoutMs: 60_000, diskReserveBytes: 0 },
  });
  const { checkpointId, ...wanted } = session.next();
  await session.run('echo small > big; echo s > README');
  const first = await engine.take(await session.sandbox(), { checkpointId, ...wanted }, signal);
  if (!first.changed) throw new Error('nothing changed');
  session.checkpoints.push(first.checkpoint);
  await session.run(
    'head -c 2000000 /dev/zero > big; mkfifo -- -pipe; echo secret > locked; chmod 0 locked; rm README; mkfifo README; echo x > kept; mkdir -p .GIT sub/git~1; echo g > .GIT/config; echo g > sub/git~1/x',
  );
  const second = await engine.take(await session.sandbox(), session.next(), signal);
  if (!second.changed) throw new Error('nothing changed');
  expect(second.checkpoint.notKept).toEqual([
    '1 file over 1 MiB: big',
    '1 file that cannot be read: locked',
    '2 files whose name git refuses: .GIT/config, sub/git~1/x',
    '2 special files: -pipe, README',
  ]);
  const digest = createHash('sha256').update(Buffer.alloc(2_000_000)).digest('hex');
  const none = { bytes: 0, sha256: '' };
  expect(second.checkpoint.leftOut).toEqual([
    { kind: 'large', count: 1, files: [{ path: 'big', bytes: 2_000_000, sha256: digest }] },
    { kind: 'unreadable', count: 1, files: [{ path: 'locked', ...none }] },
    { kind: 'name', count: 2, files: ['.GIT/config', 'sub/git~1/x'].map((path) => ({ path, ...none })) },
    { kind: 'special', count: 2, files: ['-pipe', 'README'].map((path) => ({ path, ...none })) },
  ]);
  const files = await bench.git(['ls-tree', '--name-only', second.checkpoint.tree], `${session.path}/store.git`);
  expect(files).toBe('README.md\nkept\nsrc\n');
  session.checkpoints.push(second.checkpoint);
  expect(await engine.take(await session.sandbox(), session.next(), signal)).toMatchObject({ changed: false });
});

test('the digest of a large file is the one of its bytes, also where size and time of change are as before', async () => {
  const session = await tried.open();
  const limits = { fileBytesMax: 1_000, packBytesMax: 1e9, timeoutMs: 60_000, diskReserveBytes: 0 };
  const engine = tried.makeEngine({ limits });
  const digest = async () => {
    const taken = await engine.take(await session.sandbox(), session.next({ evenIfUnchanged: true }), signal);
    if (!taken.changed) throw new Error('nothing changed');
    session.checkpoints.push(taken.checkpoint);
    const store = `${session.path}/store.git`;
    const { carrier } = JSON.parse(
      await bench.git(['cat-file', 'blob', `refs/worktrail/state/${taken.checkpoint.number}:manifest.json`], store),
    ) as { carrier: string };
    return /^large \d+ (\S+) big/.exec(await bench.git(['cat-file', 'blob', `${carrier}:left-out`], store))?.[1];
  };
  const written = await session.run('head -c 2000 /dev/zero > big; touch -d "1 hour ago" big; sha256sum < big');
  expect(await digest()).toBe(written.slice(0, 64));
  await session.run('sleep 2.1');
  expect(await digest()).toBe(written.slice(0, 64));
  expect(await session.run('cat /worktrail/checkpoints/work/git/trees/digests')).toContain(written.slice(0, 64));
  expect(await digest()).toBe(written.slice(0, 64));
  const again = await session.run(
    'cp -p big old; head -c 2000 /dev/urandom > big; touch -r old big; rm old; sha256sum < big',
  );
  expect(await digest()).toBe(again.slice(0, 64));
});

test('commits are kept whether or not they were there when a checkpoint looked for them the last time', async () => {
  const session = await tried.open();
  await session.run('git commit -q --allow-empty -m one; git branch other; echo 1 > file');
  await session.kept();
  await session.run('echo 2 > file');
  await session.kept();
  // A name that leads nowhere yet; the object comes without a change of the file that names it.
  await session.run(
    'id=$(printf "tree %s\nauthor a <a@b> 1 +0000\ncommitter a <a@b> 1 +0000\n\nlate\n" $(git write-tree) | git hash-object -t commit --stdin); echo $id > .git/refs/heads/late; echo 3 > file',
  );
  await session.kept();
  await session.run(
    'printf "tree %s\nauthor a <a@b> 1 +0000\ncommitter a <a@b> 1 +0000\n\nlate\n" $(git write-tree) | git hash-object -w -t commit --stdin; echo 4 > file',
  );
  await session.kept();
  const again = await restored(session);
  expect(
    await again.run('git log --format=%s -1 HEAD; git log --format=%s -1 other; git log --format=%s -1 late; cat file'),
  ).toBe('one\none\nlate\n4\n');
  expect(await again.run('git fsck --no-dangling 2>&1')).toBe('');
});
test('a file that is just being written from outside is not in a checkpoint half', async () => {
  const session = await tried.open();
  const half = `.worktrail-${newId('event')}`;
  await session.run(`echo half > ${half}; mkdir -p a; echo half > a/${half}; echo x > whole`);
  const { tree } = await session.kept();
  expect(await bench.git(['ls-tree', '-r', '--name-only', tree], `${session.path}/store.git`)).toBe(
    'README.md\nsrc/index.js\nwhole\n',
  );
});

const brokenRepositories = [
  ['removed', 'rm -rf .git'],
  ['without HEAD', 'rm .git/HEAD'],
  ['with a HEAD of garbage', 'head -c 5000 /dev/urandom > .git/HEAD'],
  ['with an index of garbage', 'echo garbage > .git/index'],
  ['with a FIFO as index', 'rm .git/index; mkfifo .git/index'],
  ['with a configuration of garbage', 'echo "[x" > .git/config'],
  ['elsewhere', 'mv .git ~/elsewhere; echo "gitdir: $HOME/elsewhere" > .git'],
  ['without objects', 'rm -rf .git/objects'],
  ['with corrupt objects', 'find .git/objects -type f -exec sh -c "chmod u+w \\$1; echo > \\$1" sh {} \\;'],
  [
    'that runs programs',
    'git config core.fsmonitor "touch /tmp/ran; false"; git config filter.x.clean "touch /tmp/ran; cat"; echo "* filter=x" > .gitattributes',
  ],
] as const;

test('files are kept beside a repository that is broken in any way, and made again', async () => {
  const session = await tried.open();
  const target = await tried.open();
  for (const [broken, breaking] of brokenRepositories) {
    await session.run(`find . -mindepth 1 -delete; git init -q -b main; git config user.name a; git config user.email a@example.org
      echo 1 > one; git add .; git commit -qm one; echo 2 > two; git add two`);
    await session.kept();
    await session.run(`${breaking}; echo 3 > three`);
    await session.kept();
    const files = await session.run(listing);
    expect(files, broken).toContain('./three');
    expect(await (await restoredIn(target, session)).run(listing), broken).toBe(files);
    expect(await session.run('ls /tmp/ran 2>&1'), broken).toContain('No such file');
  }
});

const private_ = '/worktrail/checkpoints/work';
const attacks = [
  ['is gone', `rm -rf ${private_}/git`],
  ['is a FIFO', `rm -rf ${private_}/git; mkfifo ${private_}/git`],
  ['is a link elsewhere', `mv ${private_}/git ~/elsewhere; ln -s ~/elsewhere ${private_}/git`],
  ['cannot be entered', `chmod 0 ${private_}/git`],
  ['is locked', `touch ${private_}/git/trees/main.index.lock ${private_}/git/config.lock ${private_}/git/index.lock`],
  ['has an index of garbage', `head -c 100000 /dev/urandom > ${private_}/git/trees/main.index`],
  ['has an index without end', `truncate -s 20G ${private_}/git/trees/main.index`],
  ['has no objects', `rm -rf ${private_}/git/objects`],
  ['has poisoned objects', `find ${private_}/git/objects -type f -exec sh -c 'chmod u+w "$1"; echo > "$1"' sh {} \\;`],
  [
    'has a poisoned object for what comes',
    `o=$(echo $content | git hash-object --stdin); d=${private_}/git/objects/$(echo $o | cut -c1-2); mkdir -p $d; echo > $d/$(echo $o | cut -c3-)`,
  ],
  [
    'runs programs',
    `printf '[core]\\nfsmonitor = touch /tmp/ran\\n[filter "x"]\\nclean = touch /tmp/ran\\n' > ${private_}/git/config; echo '* filter=x' > ${private_}/git/info/attributes; mkdir -p ${private_}/git/hooks`,
  ],
  [
    'borrows from elsewhere',
    `echo ~/nothing > ${private_}/git/objects/info/alternates; ln -sf /etc/passwd ${private_}/git/shallow`,
  ],
] as const;

test('no attack on the private git directory blocks or changes what is kept', async () => {
  const session = await tried.open();
  await session.run('echo 1 > one');
  await session.kept();
  for (const [index, [attack, attacking]] of attacks.entries()) {
    await session.run(`content=${index}; ${attacking}; cd /workspace; echo $content > two`);
    const checkpoint = await session.kept();
    expect(checkpoint, attack).toMatchObject({ filesChanged: 1, notKept: [] });
    const kept = await bench.git(['show', `${checkpoint.commit}:two`], `${session.path}/store.git`);
    expect(kept, attack).toBe(`${index}\n`);
  }
  const again = await restored(session);
  expect(await again.run('cat one two; git status -s')).toBe(`1\n${attacks.length - 1}\n?? one\n?? two\n`);
  expect(await session.run('ls /tmp/ran 2>&1')).toContain('No such file');
});

test('what was set aside of a private git directory is emptied by the next checkpoint, and takes no room for good', async () => {
  const session = await tried.open();
  for (const number of [1, 2, 3, 4]) {
    await session.run(
      `chmod 700 ${private_}/git; rm -rf ${private_}/git; mkfifo ${private_}/git; mkdir -p ${private_}/shut/in; chmod 0 ${private_}/shut; echo ${number} > file`,
    );
    await session.kept();
  }
  await session.kept({ evenIfUnchanged: true });
  const aside = (await readdir(`${session.path}/checkpoints`)).filter((name) => name.startsWith('aside-'));
  expect(aside.length).toBeLessThanOrEqual(2);
  for (const name of aside) expect(await readdir(`${session.path}/checkpoints/${name}`)).toEqual([]);
});

const deep = `n=$(printf 'd%.0s' $(seq 1 200)); for i in $(seq 1 25); do mkdir $n && cd -P $n || exit 1; done; echo x > deep`;

test('what lies too deep to be opened is named, and the rest is kept', async () => {
  const session = await tried.open();
  await session.run(`echo 1 > one; ${deep}`);
  const { notKept } = await session.kept();
  expect(notKept).toEqual([expect.stringMatching(/^1 file that cannot be read: d{100}/)]);
  expect(await (await restored(session)).run('cat one')).toBe('1\n');
});

test('a session is opened again and removed whatever its sandbox has left in the shared directory', async () => {
  const session = await tried.open();
  const { sandboxes } = bench.parts();
  await session.kept();
  await session.run(`echo 1 > one; cd ${private_}; rm -rf git; mkfifo git; ${deep}`);
  await session.kept();
  await session.run(`cd ${private_}; ${deep}`);
  await sandboxes.stop(session.input.sessionId);
  const again = { ...session.input, generation: 2, filesGeneration: 1, restore: session.restorePoint() };
  expect(await sandboxes.open(again, signal)).toMatchObject({ from: 'volume' });
  await sandboxes.remove(again);
  expect(existsSync(session.path)).toBe(false);
});

test('in the sandbox neither part of the shared directory can be replaced, and what the host gives cannot be written', async () => {
  const session = await tried.open();
  const tries =
    'cd /worktrail/checkpoints; mv work w || rmdir given || ln -s /etc x || touch given/x || chmod 777 . || echo no; ls';
  expect(await session.run(`{ ${tries}; } 2> /dev/null`)).toBe('no\ngiven\nwork\n');
});

test('what the sandbox hands over while it is being exchanged never leads to another file', async () => {
  const session = await tried.open();
  const exchanging = `cd ${private_}; touch ~/on; while [ -e ~/on ]; do ln -sf /etc/passwd out.pack; rm -f out.pack; mkfifo out.pack; rm -rf out.pack; mkdir out.pack; rm -rf out.pack; done > /dev/null 2>&1`;
  const attacking = session.run(exchanging);
  await session.run('until [ -e ~/on ]; do sleep 0.02; done; echo 1 > one');
  const limits = { fileBytesMax: 1e6, packBytesMax: 1e9, timeoutMs: 20_000, diskReserveBytes: 0 };
  await tried
    .makeEngine({ limits })
    .take(await session.sandbox(), session.next(), signal)
    .catch((error: Error) => expect(error.name).toBe('RecordingFailed'));
  await session.run('rm ~/on');
  await attacking;
  await session.kept();
  expect(await (await restored(session)).run('cat one')).toBe('1\n');
});

test('checkpoints in one bundle hold all that there were, and the chain goes on from it', async () => {
  const session = await tried.open();
  for (const number of [1, 2, 3]) {
    await session.run(`echo ${number} > file; echo ${number} > file${number}`);
    await session.kept();
  }
  await session.run('echo 4 > file');
  await session.kept({ compact: true });
  expect(session.bundles).toHaveLength(1);
  await session.run('echo 5 > file');
  await session.kept();
  const again = await restored(session);
  expect(await again.run('cat file file1 file2 file3')).toBe('5\n1\n2\n3\n');
  const commits = (
    await bench.git(['log', '--format=%H', session.checkpoints.at(-1)!.commit], `${again.path}/store.git`)
  )
    .trim()
    .split('\n');
  expect(commits.slice(0, 6)).toEqual([
    ...session.checkpoints.map((one) => one.commit).toReversed(),
    session.opened.baseCommit,
  ]);
});

test('a fork has the files of its parent at that checkpoint on a branch of its own, and goes on in bundles of its own', async () => {
  const parent = await tried.open();
  await parent.run('echo 1 > file; git add file; git commit -qm one; echo changed >> file; echo new > untracked');
  const first = await parent.kept();
  const before = [await parent.run(listing), await parent.run('git status --porcelain; git log --format=%H')];
  await parent.run('echo 2 > file; rm untracked; git checkout -qb elsewhere');
  await parent.kept({ compact: true });
  const at = { ...parent, checkpoints: [first], restorePoint: () => ({ ...parent.restorePoint(), checkpoint: first }) };
  const branch = 'worktrail/fork-00000002';
  const fork = await restored(at, { branch, branchesBefore: [parent.input.branch] });
  expect([await fork.run(listing), await fork.run('git status --porcelain; git log --format=%H')]).toEqual(before);
  expect(await fork.run('git branch --format="%(HEAD) %(refname:short)"; git fsck --no-dangling 2>&1')).toBe(
    `* ${branch}\n`,
  );

  await fork.run('echo mine > file');
  const second = await fork.kept();
  expect(second).toMatchObject({ number: 2, headRef: `refs/heads/${branch}` });
  expect(fork.bundles.at(-1)!.name).toContain(`/${fork.input.sessionId}/bundle-g1-2-`);
  const again = await restored(fork, {
    branch: 'worktrail/again-00000003',
    branchesBefore: [branch, parent.input.branch],
  });
  expect(await again.run('cat file untracked; git branch --show-current')).toBe(
    'mine\nnew\nworktrail/again-00000003\n',
  );

  const left = await restored(parent, { branch: 'worktrail/left-00000004', branchesBefore: [parent.input.branch] });
  expect(await left.run('git branch --show-current; git branch --list "worktrail/*" | tr -d " "')).toBe(
    'elsewhere\nworktrail/left-00000004\n',
  );
});

test('a fork of a session that is in the middle of a rebase ends it on its own branch', async () => {
  const parent = await tried.open();
  await parent.run(`git checkout -qb other; echo theirs > file; git add file; git commit -qm theirs; git checkout -q -
    echo ours > file; git add file; git commit -qm ours; git rebase -q other`);
  await parent.kept();
  const branch = 'worktrail/fork-00000005';
  const fork = await restored(parent, { branch, branchesBefore: [parent.input.branch] });
  await fork.run('echo both > file; git add file; GIT_EDITOR=true git rebase --continue');
  expect(await fork.run('git branch --show-current; cat file; git log --format=%s -2')).toBe(
    `${branch}\nboth\nours\ntheirs\n`,
  );
});

test('taken again by another process, however far the one before came, a checkpoint is one', async () => {
  const session = await tried.open();
  await session.run('echo 1 > one');
  await session.kept();
  await session.run('echo 2 > two');
  const wanted = session.next();
  const sandbox = await session.sandbox();
  const commits = new Set<string>();
  const dying = (at: string) => () => {
    throw new Error(at);
  };
  const lives = [
    { clock: dying('recorded') },
    { artifacts: { ...tried.artifacts, put: dying('not stored') } },
    {
      artifacts: {
        ...tried.artifacts,
        put: async (...put: Parameters<typeof tried.artifacts.put>) => {
          await tried.artifacts.put(...put);
          throw new Error('stored');
        },
      },
    },
    {
      events: {
        ...bench.publishing,
        jsm: { ...bench.publishing.jsm, streams: { getMessage: dying('not published') } } as never,
      },
    },
  ];
  for (const life of lives) {
    await expect(tried.makeEngine(life).take(sandbox, wanted, signal)).rejects.toThrow(/recorded|stored|published/);
    commits.add(
      (
        await bench.git(
          ['for-each-ref', '--format=%(objectname)', 'refs/worktrail/checkpoints/2'],
          `${session.path}/store.git`,
        )
      ).trim(),
    );
    // As git leaves them when it is killed.
    for (const lock of ['checkpoints/2.lock', 'state/2.lock']) {
      await writeFile(`${session.path}/store.git/refs/worktrail/${lock}`, '');
    }
  }
  for (const delayMs of [5, 20, 50, 100, 200]) {
    await tried
      .makeEngine()
      .take(sandbox, wanted, AbortSignal.timeout(delayMs))
      .catch(() => undefined);
  }
  const result = await tried.makeEngine().take(sandbox, wanted, signal);
  const same = await tried.makeEngine().take(sandbox, wanted, signal);
  expect(same).toEqual(result);
  if (!result.changed) throw new Error('nothing changed');
  commits.add(result.checkpoint.commit);
  commits.delete('');
  expect([...commits]).toEqual([result.checkpoint.commit]);
  const events = await bench.eventsOf(session.input, wanted.checkpointId);
  expect(events.map((event) => [Number(event.number), event.payload.case])).toEqual([[1, 'filesChanged']]);
  session.checkpoints.push(result.checkpoint);
  session.bundles.push({ ...result.bundle, upTo: result.checkpoint.number });
  expect(await (await restored(session)).run('cat one two')).toBe('1\n2\n');
});

test('a number whose checkpoint was never answered is taken anew by another id', async () => {
  const session = await tried.open();
  await session.run('echo 1 > one');
  await tried.engine.take(await session.sandbox(), session.next(), signal);
  await session.run('echo 2 > one');
  const second = await session.kept();
  expect(second.number).toBe(1);
  expect(await (await restored(session)).run('cat one')).toBe('2\n');
});

test('so is one whose files are the same, in the same second', async () => {
  const session = await tried.open();
  const engine = tried.makeEngine({ clock: () => 1_700_000_000_000 });
  await session.run('echo 1 > one');
  await engine.take(await session.sandbox(), session.next(), signal);
  const second = await engine.take(await session.sandbox(), session.next(), signal);
  if (!second.changed) throw new Error('nothing changed');
  session.checkpoints.push(second.checkpoint);
  session.bundles.push({ ...second.bundle, upTo: 1 });
  expect(await (await restored(session)).run('cat one')).toBe('1\n');
});

test('a bundle that is missing, cut off or exchanged is refused, and says so', async () => {
  const session = await tried.open();
  await session.run('echo 1 > one');
  await session.kept();
  await session.run('echo 2 > one');
  await session.kept();
  const path = tried.artifactPath(session.bundles[0]!.name);
  const whole = await readFile(path);
  await writeFile(path, whole.subarray(0, -30));
  await expect(restored(session)).rejects.toThrow(expect.objectContaining({ name: 'ArtifactCorrupt' }));
  await rm(path);
  await expect(restored(session)).rejects.toThrow(expect.objectContaining({ name: 'ArtifactMissing' }));
  // Even one whose digest is right.
  const forged = Buffer.from(whole);
  forged[forged.length - 40]! ^= 1;
  await writeFile(path, forged);
  const digest = createHash('sha256').update(forged).digest('hex');
  const bundles = [{ ...session.bundles[0]!, sha256: digest }, session.bundles[1]!];
  session.bundles = bundles;
  await expect(restored(session)).rejects.toThrow(expect.objectContaining({ name: 'GitFailed' }));
});

test('the changes of a checkpoint are events of its own, with what happened to each file', async () => {
  const session = await tried.open();
  await session.run('seq 1 50 > long; echo x > gone; echo x > tool; printf "\\0\\1" > data');
  const before = await session.kept();
  await session.run(
    'mv long longer; rm gone; chmod +x tool; echo y >> README.md; echo z > "$(printf \'\\377\')"; printf "\\0\\2" > data',
  );
  const commandId = newId('command');
  const { id, filesChanged } = await session.kept({ commandId });
  const [event, ...more] = await bench.eventsOf(session.input, id);
  expect(more).toEqual([]);
  expect(event).toMatchObject({ commandId, producer: id });
  if (event?.payload.case !== 'filesChanged') throw new Error('another event');
  expect(event.payload.value).toMatchObject({ source: 'checkpoint', checkpointId: id, sinceCheckpointId: before.id });
  const shown = event.payload.value.files.map(({ path, oldPath, status, additions, deletions, binary }) => [
    path,
    oldPath,
    status,
    Number(additions),
    Number(deletions),
    binary,
  ]);
  expect(shown.toSorted()).toEqual(
    [
      ['README.md', '', 'modified', 1, 0, false],
      ['data', '', 'modified', 0, 0, true],
      ['gone', '', 'deleted', 0, 1, false],
      ['longer', 'long', 'renamed', 0, 0, false],
      ['tool', '', 'mode_changed', 0, 0, false],
      ['\\xff', '', 'added', 1, 0, false],
    ].toSorted(),
  );
  expect(filesChanged).toBe(6);
  expect(event.payload.value.truncated).toBe(false);
});

test('a store that is damaged is made anew from the bundles', async () => {
  const session = await tried.open();
  for (const number of [1, 2]) {
    await session.run(`echo ${number} > file${number}`);
    await session.kept();
  }
  const store = `${session.path}/store.git`;
  const packs = (await readdir(`${store}/objects/pack`)).filter((name) => name.endsWith('.pack'));
  await truncate(`${store}/objects/pack/${packs[0]}`, 20);
  await session.run('echo 3 > file3');
  await session.kept();
  expect(await (await restored(session)).run('cat file1 file2 file3')).toBe('1\n2\n3\n');
  // All of it, by the next host: nothing is left of this one.
  await rm(store, { recursive: true });
  await session.run('echo 4 > file4');
  await session.kept();
  expect(await (await restored(session)).run('cat file1 file2 file3 file4')).toBe('1\n2\n3\n4\n');
});

test('without the commit that the session began with nothing is fetched', async () => {
  const session = await tried.open();
  await session.run('echo 1 > one');
  await session.kept();
  const other = newSession(bench);
  const restore = { ...session.restorePoint(), baseCommit: 'a'.repeat(40) };
  const upstream = await bench.parts().mirrors.sync(other);
  await expect(tried.engine.fetch(other, restore, upstream.objectsPath, signal)).rejects.toThrow(
    expect.objectContaining({ name: 'BaseCommitMissing' }),
  );
});

test('repositories with SHA-256 names and submodules are kept too', async () => {
  const url = join(bench.path, 'repositories', 'wide');
  await makeRepository(url, 'sha256');
  const repository = { url, defaultBranch: 'main' };
  const session = await tried.open({ repository });
  await session.run(`printf '[submodule "m"]\\n\\tpath = m\\n\\turl = x\\n' > .gitmodules
    git init -q --object-format=sha256 m; cd m; git config user.name a; git config user.email a@example.org; echo 1 > x; git add x; git commit -qm x
    cd ..; git add .; echo 2 > m/y; echo 3 > z`);
  const { tree } = await session.kept();
  expect(tree).toHaveLength(64);
  expect(await bench.git(['ls-tree', tree, 'm'], `${session.path}/store.git`)).toMatch(
    /^160000 commit [0-9a-f]{64}\tm\n$/,
  );
  expect(await session.take()).toMatchObject({ changed: false });
  const again = await restored(session, { repository });
  const state = 'git status -s; git submodule status; cd m; git status -s; git log --format=%H; cat x y';
  expect(await again.run(state)).toBe(await session.run(state));
});
