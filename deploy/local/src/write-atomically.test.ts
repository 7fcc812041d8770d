import { mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { writeAtomically } from './write-atomically.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp('/tmp/wt-write-');
});

afterEach(() => rm(directory, { recursive: true, force: true }));

test('readers during many writes see only whole contents', async () => {
  const path = join(directory, 'file.json');
  const content = (number: number) => JSON.stringify({ number, filler: String(number % 10).repeat(50_000) });
  await writeAtomically(path, content(0), 0o600);
  let writing = true;
  const writes = (async () => {
    for (let number = 1; number <= 40; number += 1) await writeAtomically(path, content(number), 0o600);
    writing = false;
  })();
  let reads = 0;
  while (writing) {
    const { number, filler } = JSON.parse(await readFile(path, 'utf8'));
    expect(filler).toBe(String(number % 10).repeat(50_000));
    reads += 1;
  }
  await writes;
  expect(reads).toBeGreaterThan(0);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readdir(directory)).toEqual(['file.json']);
});

test('a write that fails leaves nothing beside', async () => {
  await mkdir(join(directory, 'taken'));
  await expect(writeAtomically(join(directory, 'taken'), 'x', 0o600)).rejects.toThrow();
  expect(await readdir(directory)).toEqual(['taken']);
});
