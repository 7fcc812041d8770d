// A local git repository for a test, made with the real git.

import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export async function makeRepository(directory: string, files: number): Promise<{ path: string; commit: string }> {
  await mkdir(directory, { recursive: true });
  const git = (...args: string[]) =>
    run('git', ['-C', directory, '-c', 'user.name=Test', '-c', 'user.email=test@example.org', ...args]);
  await git('init', '-q', '-b', 'main');
  await writeFile(join(directory, 'README.md'), '# A repository for tests\n');
  for (let i = 0; i < files; i++) {
    const path = join(directory, `src/${i % 40}/file-${i}.txt`);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, `file ${i}\n`.repeat(20));
  }
  await git('add', '.');
  await git('commit', '-qm', 'Start');
  const { stdout } = await git('rev-parse', 'HEAD');
  return { path: directory, commit: stdout.trim() };
}
