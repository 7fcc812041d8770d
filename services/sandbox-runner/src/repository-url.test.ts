import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { redact, resolveRepository, withoutCredentials } from './repository-url.ts';

let scratch: Scratch;
const at = (...parts: string[]) => join(scratch.path, ...parts);
const roots = () => ({ allowed: [at('root')], stateDirectory: at('root', 'state'), ssh: true });
const codeOf = (url: string) =>
  resolveRepository(url, roots()).then(
    (found) => found.kind,
    (error) => error.code,
  );

beforeAll(async () => {
  scratch = await makeScratch('urls');
  for (const path of ['root/project', 'root/state/mirrors', 'root/.worktrail-2/runner', 'outside/project'])
    await mkdir(at(path), { recursive: true });
  await symlink(at('outside', 'project'), at('root', 'way-out'));
  await symlink(at('root', 'state', 'mirrors'), at('root', 'way-in'));
  await symlink(at('root', 'project'), at('outside', 'way-back'));
});
afterAll(() => scratch.remove());

test('https, ssh and git addresses are remote', async () => {
  const urls = [
    'https://example.org/a.git',
    'ssh://git@example.org/a',
    'git@example.org:a/b.git',
    'git://example.org/a',
  ];
  for (const url of urls) expect(await resolveRepository(url, roots())).toEqual({ kind: 'remote', url });
});

test('an ssh address is refused, and the setting is named, unless the operator allows ssh', async () => {
  for (const url of ['ssh://git@example.org/a', 'git@example.org:a/b.git', 'ssh@git.example.org:c']) {
    await expect(resolveRepository(url, { ...roots(), ssh: false }), url).rejects.toMatchObject({
      code: 'repository_not_allowed',
      message: expect.stringContaining('runner.sshConfig'),
    });
  }
  const https = 'https://example.org/a.git';
  expect(await resolveRepository(https, { ...roots(), ssh: false })).toEqual({ kind: 'remote', url: https });
});

test('anything that git would run or read otherwise is no repository', async () => {
  const transports = ['ext::sh -c id', 'http://example.org/a', 'ftp://example.org/a', 'https://-oProxyCommand=id/x'];
  for (const url of [...transports, 'relative/path', '', '-u./x']) {
    expect(await codeOf(url), url).toBe('repository_not_allowed');
  }
});

test('a local path is allowed below a root, also as a file URL and through a symlink that leads there', async () => {
  const path = at('root', 'project');
  for (const url of [path, `file://${path}`, `${path}/`, at('outside', 'way-back')]) {
    expect(await resolveRepository(url, roots()), url).toEqual({ kind: 'local', path });
  }
});

test('a local path outside of the roots or inside the state directory is refused, whatever leads there', async () => {
  const outside = [at('outside', 'project'), `${at('root')}/../outside/project`, at('root', 'way-out'), '/'];
  const state = [
    at('root', 'state'),
    at('root', 'state', 'mirrors'),
    at('root', 'way-in'),
    at('root', '.worktrail-2', 'runner'),
  ];
  for (const url of [...outside, ...state]) expect(await codeOf(url), url).toBe('repository_not_allowed');
});

test('whether something exists is told only below a root', async () => {
  expect(await codeOf(at('root', 'nothing'))).toBe('repository_unreachable');
  expect(await codeOf(at('outside', 'nothing'))).toBe('repository_not_allowed');
});

test('credentials never leave an address', () => {
  expect(withoutCredentials('https://user:token@example.org/a.git')).toBe('https://example.org/a.git');
  expect(withoutCredentials('ssh://git:pass@example.org/a')).toBe('ssh://git@example.org/a');
  expect(withoutCredentials('git@example.org:a/b.git')).toBe('git@example.org:a/b.git');
  expect(redact("fatal: unable to access 'https://user:token@example.org/a.git/'")).toBe(
    "fatal: unable to access 'https://***@example.org/a.git/'",
  );
});
