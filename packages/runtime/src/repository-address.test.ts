import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RepositoryRefused, type RepositoryRoots, resolveRepositoryAddress } from './repository-address.ts';

let scratch: Scratch;
const at = (...parts: string[]) => join(scratch.path, ...parts);
const roots = (): RepositoryRoots => ({ allowed: [at('root')], stateDirectory: at('root', 'state'), ssh: true });
const kindOf = (url: string, changes: Partial<RepositoryRoots> = {}) =>
  resolveRepositoryAddress(url, { ...roots(), ...changes }).then(
    (found) => found.kind,
    (error: unknown) => (error instanceof RepositoryRefused ? error.reason : error),
  );

beforeAll(async () => {
  scratch = await makeScratch('addresses');
  for (const path of ['root/project', 'root/state/mirrors', 'root/.worktrail-2/runner', 'outside/project'])
    await mkdir(at(path), { recursive: true });
  await symlink(at('outside', 'project'), at('root', 'way-out'));
  await symlink(at('root', 'state', 'mirrors'), at('root', 'way-in'));
  await symlink(at('root', 'project'), at('outside', 'way-back'));
});
afterAll(() => scratch.remove());

const https = ['https://example.org/a.git', 'git://example.org/a'];
const ssh = ['ssh://git@example.org:22/a', 'git@example.org:a/b.git', 'ssh@git.example.org:c'];

test('https, ssh and git addresses are remote', async () => {
  for (const url of [...https, ...ssh])
    expect(await resolveRepositoryAddress(url, roots())).toEqual({ kind: 'remote', url });
});

test('an ssh address is refused, and the setting is named, unless the operator allows ssh', async () => {
  for (const url of https) expect(await kindOf(url, { ssh: false }), url).toBe('remote');
  for (const url of ssh) {
    await expect(resolveRepositoryAddress(url, { ...roots(), ssh: false }), url).rejects.toMatchObject({
      reason: 'not_allowed',
      message: expect.stringContaining('runner.sshConfig'),
    });
  }
});

test('anything that git would run or read otherwise is no repository', async () => {
  const transports = ['ext::sh -c id', 'http://example.org/a', 'ftp://example.org/a', 'https://-oProxyCommand=id/x'];
  const files = ['file://elsewhere/app', 'file:///a%2Fb'];
  for (const url of [...transports, ...files, 'ssh://-oProxyCommand=id/a', 'relative/path', '', '-u./x']) {
    expect(await kindOf(url), url).toBe('malformed');
  }
});

test('a local path is allowed below a root, also as a file URL and through a symlink that leads there', async () => {
  const path = at('root', 'project');
  for (const url of [path, `file://${path}`, `file://localhost${path}`, `${path}/`, at('outside', 'way-back')]) {
    expect(await resolveRepositoryAddress(url, roots()), url).toEqual({ kind: 'local', path });
  }
});

test('a local path outside of the roots or inside a state directory is refused, whatever leads there', async () => {
  const outside = [at('outside', 'project'), `${at('root')}/../outside/project`, at('root', 'way-out'), '/'];
  const state = [at('root', 'state'), at('root', 'state', 'mirrors'), at('root', 'way-in')];
  const foreign = [at('root', '.worktrail-2'), at('root', '.worktrail-2', 'runner')];
  for (const url of [...outside, ...state, ...foreign]) expect(await kindOf(url), url).toBe('not_allowed');
  expect(await kindOf(at('root', 'state'), { stateDirectory: undefined })).toBe('local');
});

test('whether something exists is told only below a root', async () => {
  expect(await kindOf(at('root', 'nothing'))).toBe('missing');
  expect(await kindOf(at('outside', 'nothing'))).toBe('not_allowed');
});
