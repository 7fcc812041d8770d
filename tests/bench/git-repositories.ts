// The repositories of the git bench: generated ones of several sizes, and one of files that people wrote.

import { execFile } from 'node:child_process';
import { cp, lstat, readFile } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { promisify } from 'node:util';
import { makeRepository } from '../e2e/repository.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');

/** Published sources that package-lock.json pins, so that they are the same on every machine. */
const packages = ['rxjs', 'knip', 'webpack', 'zod', 'hono'];
const fileBytesMax = 1024 ** 2;

export interface BenchRepository {
  path: string;
  name: string;
  files: number;
  bytes: number;
  /** One that is changed, and is there in each of them. */
  changing: string;
}

export async function makeGeneratedRepository(directory: string, files: number): Promise<BenchRepository> {
  const { path } = await makeRepository(directory, files - 1);
  return describe(path, `${files.toLocaleString('en')} files`, 'README.md');
}

/** The sources of this project's own dependencies, committed as they are. */
export async function makeRealRepository(directory: string): Promise<BenchRepository> {
  const { path } = await makeRepository(directory, 0);
  for (const name of packages) {
    const from = join(root, 'node_modules', name);
    const filter = async (file: string) => {
      if (file.split(sep).at(-1) === '.git') return false;
      const stats = await lstat(file);
      return stats.isDirectory() || (stats.isFile() && stats.size <= fileBytesMax);
    };
    await cp(from, join(path, 'packages', name), { recursive: true, filter });
  }
  await git(path, 'add', '-A', '-f');
  await git(path, 'commit', '-qm', 'Packages');
  return describe(path, 'real', 'packages/hono/package.json');
}

async function describe(path: string, name: string, changing: string): Promise<BenchRepository> {
  const sizes = (await git(path, 'ls-tree', '-r', '-l', 'HEAD')).trimEnd().split('\n');
  const bytes = sizes.reduce((sum, line) => sum + Number(line.split(/\s+/)[3]), 0);
  await readFile(join(path, changing));
  return { path, name, files: sizes.length, bytes, changing };
}

export async function git(directory: string, ...args: string[]): Promise<string> {
  const who = ['-c', 'user.name=Bench', '-c', 'user.email=bench@example.org'];
  const all = ['-C', directory, ...who, '-c', 'gc.auto=0', ...args];
  return (await run('git', all, { maxBuffer: 1024 ** 3 })).stdout;
}
