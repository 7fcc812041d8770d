import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { inScratch, scratchOwner, sweepScratch } from './scratch-directory.ts';
import { waitUntil } from './wait-until.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp('/tmp/wt-scratch-');
});

afterEach(() => rm(directory, { recursive: true, force: true }));

test('what a killed fetch left is swept, that of a live one stays', async () => {
  const script = join(import.meta.dirname, '../test/fetch-for-ever.ts');
  const fetching = spawn(process.execPath, [script, directory], { stdio: 'inherit' });
  const found = async () => (await readdir(directory)).find((name) => existsSync(join(directory, name, 'half')));
  await waitUntil(async () => (await found()) !== undefined, { what: 'the fetch', timeoutMs: 60_000 });
  const name = (await found()) as string;
  try {
    expect(scratchOwner(name)?.pid).toBe(fetching.pid);
    expect(await sweepScratch(directory)).toEqual([]);
    expect(await found()).toBe(name);
  } finally {
    fetching.kill('SIGKILL');
    await once(fetching, 'exit');
  }
  expect(await sweepScratch(directory)).toEqual([name]);
  expect(await readdir(directory)).toEqual([]);
});

test('one whose name tells no process is swept when no work can last so long; other files are never touched', async () => {
  for (const name of ['.fetch-abcdef', '.image-abcdef', '.other-abcdef', 'fetch-abcdef']) {
    await mkdir(join(directory, name));
    await utimes(join(directory, name), 0, 0);
  }
  await mkdir(join(directory, '.fetch-young1'));
  await writeFile(join(directory, 'temporal-1.2.3'), '');
  expect((await sweepScratch(directory)).sort()).toEqual(['.fetch-abcdef', '.image-abcdef']);
  expect((await readdir(directory)).sort()).toEqual([
    '.fetch-young1',
    '.other-abcdef',
    'fetch-abcdef',
    'temporal-1.2.3',
  ]);
});

test('a directory that is not there has nothing to sweep', async () => {
  expect(await sweepScratch(join(directory, 'nowhere'))).toEqual([]);
});

test('scratch is gone with its work, also when that fails', async () => {
  const work = inScratch(directory, 'fetch', async (scratch) => {
    await writeFile(join(scratch, 'half'), '');
    throw new Error('no route');
  });
  await expect(work).rejects.toThrow('no route');
  expect(await readdir(directory)).toEqual([]);
});
