// For tests: a bare repository as a session's store is one, filled with trees that are made of text.

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { makeScratch } from '@worktrail/testing/scratch';
import { createStoreGit, type StoreGit } from '../checkpoints/store-git.ts';
import { startAsChild } from '../host/program-start.ts';

const run = promisify(execFile);

export interface Store {
  path: string;
  git: StoreGit;
  /** A commit of what this script leaves in a work tree that has the last one's files. */
  commit(script: string): Promise<string>;
  /** In the work tree. */
  sh(script: string): Promise<string>;
  remove(): Promise<void>;
}

export async function makeStore(name: string): Promise<Store> {
  const scratch = await makeScratch(name);
  const workTree = join(scratch.path, 'work');
  const sh = async (script: string) =>
    (
      await run('sh', ['-euc', script], {
        cwd: workTree,
        env: { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1', HOME: '/nonexistent' },
        maxBuffer: 64 * 1024 ** 2,
      })
    ).stdout;
  await run('git', ['init', '-q', '-b', 'main', workTree]);
  await sh('git config user.name a; git config user.email a@example.org; git config core.autocrlf false');
  return {
    path: workTree,
    git: createStoreGit(join(workTree, '.git'), startAsChild),
    sh,
    async commit(script) {
      await sh(script);
      await sh('git add -A; git commit -q --allow-empty -m x');
      return (await sh('git rev-parse HEAD')).trim();
    },
    remove: () => scratch.remove(),
  };
}
