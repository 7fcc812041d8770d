import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openSecrets } from './secrets.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp('/tmp/wt-secrets-');
});

afterEach(() => rm(directory, { recursive: true, force: true }));

test('secrets are made once, differ from each other, and only the owner can read them', async () => {
  const first = await openSecrets(directory);
  expect(await openSecrets(directory)).toEqual(first);
  const { secretsKeyFile, ...values } = first;
  expect(new Set(Object.values(values)).size).toBe(4);
  expect((await readFile(secretsKeyFile, 'utf8')).trim()).toMatch(/^[0-9a-f]{64}$/);
  for (const name of await readdir(directory)) {
    expect((await stat(join(directory, name))).mode & 0o777, name).toBe(0o600);
  }
});

test('two that open a new directory in the same moment agree', async () => {
  const [a, b] = await Promise.all([openSecrets(directory), openSecrets(directory)]);
  expect(a).toEqual(b);
});
