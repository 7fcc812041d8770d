import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunnerBench, startRunnerBench } from '../runner-bench.ts';
import { type CheckpointBench, createCheckpointBench, type TriedSession } from './checkpoint-bench.ts';

let bench: RunnerBench;
let tried: CheckpointBench;
beforeAll(async () => {
  bench = await startRunnerBench('checkpoints');
  tried = createCheckpointBench(bench);
}, 60_000);
afterAll(() => bench.close(), 60_000);

const { signal } = new AbortController();

/** Every file of the work tree with its kind, executable bit, content or target; what is ignored is not in it. */
const listing = `find . -path ./.git -prune -o -type d -name ignored -prune -o ! -type d -printf '%y %m %l ' -exec sh -c \
'[ -L "$1" ] || sha256sum < "$1"; printf "%s\\0\\n" "$1"' sh {} \\; | sed 's/ 6[0-7][0-7] / 644 /; s/ 7[0-7][0-7] / 755 /' | sort -z`;

/** What the session's files are made again as, in an empty workspace whose host has nothing but the bundles. */
async function restored(
  from: TriedSession,
): Promise<TriedSession & { answer: { headCommit: string | null; notKept: string[] } }> {
  const session = await tried.open();
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
  expect(await again.run('ls ignored; git fsck 2>&1')).toBe('two\n');
}, 120_000);

test('of what has not changed since the checkpoint before nothing is made, unless it is asked for', async () => {
  const session = await tried.open();
  await session.run('echo 1 > new');
  const first = await session.kept();
  expect(first.filesChanged).toBe(1);
  const { headCommit, headRef } = first;
  expect(await session.take()).toEqual({ changed: false, headCommit, headRef });
  expect((await session.kept({ evenIfUnchanged: true })).tree).toBe(first.tree);
  expect(await session.take()).toMatchObject({ changed: false });
  await session.run('git add new');
  expect((await session.kept()).tree).toBe(first.tree);
  await session.run('git branch other');
  expect((await session.kept()).tree).toBe(first.tree);
  await session.run('echo 2 > new');
  expect((await session.kept()).tree).not.toBe(first.tree);
  expect(session.checkpoints.map((one) => one.number)).toEqual([1, 2, 3, 4, 5]);
}, 60_000);
