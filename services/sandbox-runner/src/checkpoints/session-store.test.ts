import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { checkpointRef, type Manifest, openSessionStore, stateRef } from './session-store.ts';
import { startAsChild } from '../host/program-start.ts';

const run = promisify(execFile);
const { signal } = new AbortController();
let scratch: Scratch;
beforeEach(async () => {
  scratch = await makeScratch('session-store');
});
afterEach(() => scratch.remove());

test.each(['sha1', 'sha256'])(
  'a bundle is one that git takes, and leans on the checkpoint before (%s)',
  async (format) => {
    const repository = join(scratch.path, 'repository');
    const git = async (...args: string[]) => (await run('git', ['-C', repository, ...args])).stdout.trim();
    await run('git', ['init', '-q', `--object-format=${format}`, repository]);
    const identity = ['-c', 'user.name=a', '-c', 'user.email=a@example.org'];
    await git(...identity, 'commit', '-q', '--allow-empty', '-m', 'base');
    const baseCommit = await git('rev-parse', 'HEAD');
    const tree = await git('rev-parse', 'HEAD^{tree}');
    const options = {
      start: startAsChild,
      sessionPath: scratch.path,
      upstreamObjects: join(repository, '.git', 'objects'),
    };
    const store = await openSessionStore({ ...options, baseCommit }, signal);
    const times = { createdMs: 1_700_000_000_000 };
    const commits = [baseCommit];
    for (const number of [1, 2, 3]) {
      const commit = await store.commit({
        tree,
        parents: [commits.at(-1)!],
        message: `Checkpoint ${number}`,
        ...times,
      });
      commits.push(commit);
      await store.publish({ checkpointId: 'chk', number, commit, carrier: commit, ...times } as Manifest, signal);
      if (number === 2) continue;
      const bundle = join(scratch.path, `${number}.bundle`);
      await store.writeBundle(bundle, number, number === 3, baseCommit, signal);
      await git('bundle', 'verify', '-q', bundle);
      await git('fetch', '-q', bundle, 'refs/worktrail/*:refs/worktrail/*');
      expect(await git('rev-parse', checkpointRef(number))).toBe(commit);
      await git('fsck', '--strict');
    }
    expect(await git('rev-parse', checkpointRef(2))).toBe(commits[2]);
    const last = join(scratch.path, 'last.bundle');
    await store.writeBundle(last, 3, false, baseCommit, signal);
    await git('update-ref', '-d', stateRef(2));
    await git('bundle', 'verify', '-q', last);
    expect(await git('bundle', 'list-heads', last)).toContain(`${commits[3]} ${checkpointRef(3)}`);
  },
);

test('a session of very many checkpoints goes on', async () => {
  const repository = join(scratch.path, 'repository');
  const git = async (...args: string[]) => (await run('git', ['-C', repository, ...args])).stdout.trim();
  await run('git', ['init', '-q', repository]);
  const identity = ['-c', 'user.name=a', '-c', 'user.email=a@example.org'];
  await git(...identity, 'commit', '-q', '--allow-empty', '-m', 'base');
  const baseCommit = await git('rev-parse', 'HEAD');
  const upstreamObjects = join(repository, '.git', 'objects');
  const open = (name: string) =>
    openSessionStore(
      { start: startAsChild, sessionPath: join(scratch.path, name), upstreamObjects, baseCommit },
      signal,
    );

  const store = await open('one');
  const count = 17_000;
  const first = {
    checkpointId: 'chk',
    commit: baseCommit,
    carrier: baseCommit,
    createdMs: 1_700_000_000_000,
  } as Manifest;
  await store.publish({ ...first, number: 1 }, signal);
  const state = (await store.git(['rev-parse', stateRef(1)], { signal })).toString().trim();
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  const refs = numbers.flatMap((number) => [`${state} ${checkpointRef(number)}`, `${state} ${stateRef(number)}`]);
  await writeFile(join(scratch.path, 'one', 'store.git', 'packed-refs'), `${refs.join('\n')}\n`);

  await store.publish({ ...first, number: count + 1 }, signal);
  expect(await store.read(count, signal)).toMatchObject({ number: 1 });
  expect(await store.read(count + 1, signal)).toMatchObject({ number: count + 1 });
});
