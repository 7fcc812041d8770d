// A repository for tests of its index, made with the real git.

import { execFile } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface TestRepository {
  path: string;
  gitDirectory: string;
  /** Writes these files (null: removes) and answers the commit with them. */
  commit(files: Record<string, string | Buffer | null>): Promise<string>;
  git(...args: string[]): Promise<string>;
}

export async function makeTestRepository(path: string): Promise<TestRepository> {
  await mkdir(path, { recursive: true });
  const git = async (...args: string[]) =>
    (await run('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.org', ...args], { cwd: path })).stdout.trim();
  await git('init', '-q', '-b', 'main');
  return {
    path,
    gitDirectory: join(path, '.git'),
    git,
    async commit(files) {
      for (const [name, content] of Object.entries(files)) {
        const file = join(path, name);
        if (content === null) await rm(file);
        else {
          await mkdir(dirname(file), { recursive: true });
          await writeFile(file, content);
        }
      }
      await git('add', '-A', '-f');
      await git('commit', '-q', '--allow-empty', '-m', 'change');
      return git('rev-parse', 'HEAD');
    },
  };
}
