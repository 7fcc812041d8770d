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
}, 60_000);
