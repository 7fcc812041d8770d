import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Scratch, makeScratch } from '@worktrail/testing/scratch';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RepositoryRoots } from '@worktrail/runtime/repository-address';
import { checkRepository } from './repository-url.ts';

let scratch: Scratch;
let roots: RepositoryRoots;

beforeAll(async () => {
  scratch = await makeScratch('repository-url');
  const allowed = join(scratch.path, 'allowed');
  await mkdir(join(allowed, 'app', '.git'), { recursive: true });
  await writeFile(join(allowed, 'app', '.git', 'HEAD'), 'ref: refs/heads/trunk\n');
  await mkdir(join(allowed, 'bare.git'));
  await writeFile(join(allowed, 'bare.git', 'HEAD'), 'ref: refs/heads/release/2\n');
  await mkdir(join(allowed, 'linked'));
  await writeFile(join(allowed, 'linked', '.git'), 'gitdir: ../app/.git\n');
  await mkdir(join(allowed, 'state', 'mirror'), { recursive: true });
  await mkdir(join(allowed, '.worktrail-2', 'mirror'), { recursive: true });
  await mkdir(join(scratch.path, 'outside'));
  await symlink(join(scratch.path, 'outside'), join(allowed, 'link-out'));
  roots = { allowed: [allowed], stateDirectory: join(allowed, 'state'), ssh: true };
});

afterAll(() => scratch.remove());

const at = (path: string) => join(scratch.path, path);

test.each([
  'https://git.example.org/team/app.git',
  'ssh://git@git.example.org:22/app.git',
  'git://git.example.org/app',
  'git@git.example.org:team/app.git',
])('%s is a remote repository', async (url) => {
  expect(await checkRepository(url, roots)).toEqual({ defaultBranch: 'main' });
});

test.each([
  'http://git.example.org/app.git',
  'ext::sh -c id',
  'relative/path',
  '--upload-pack=id',
  'https://user:token@git.example.org/app.git',
  'https://token@git.example.org/app.git',
  'ssh://-oProxyCommand=id/app',
  'file://elsewhere/app',
])('%s is refused by name', async (url) => {
  await expect(checkRepository(url, roots)).rejects.toMatchObject({
    code: 'validation_failed',
    errors: [{ path: 'repository.url' }],
  });
});

test('the branch of a local repository is the one it has checked out', async () => {
  expect(await checkRepository(at('allowed/app'), roots)).toEqual({ defaultBranch: 'trunk' });
  expect(await checkRepository(`file://${at('allowed/bare.git')}`, roots)).toEqual({ defaultBranch: 'release/2' });
  expect(await checkRepository(at('allowed/linked'), roots)).toEqual({ defaultBranch: 'trunk' });
});

test.each([
  'outside',
  'allowed/../outside',
  'allowed/link-out',
  'allowed/state',
  'allowed/state/mirror',
  'allowed/.worktrail-2/mirror',
  'nowhere',
])('the local path %s is not allowed', async (path) => {
  await expect(checkRepository(`${scratch.path}/${path}`, roots)).rejects.toMatchObject({
    code: 'repository_not_allowed',
  });
});

test('a path below a root that is not there is said to be missing', async () => {
  await expect(checkRepository(at('allowed/missing'), roots)).rejects.toMatchObject({ code: 'validation_failed' });
});
