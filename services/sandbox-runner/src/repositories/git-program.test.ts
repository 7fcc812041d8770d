import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { openGit } from './git-program.ts';
import { callGitAsChild } from '../host/git-call.ts';

const { signal } = new AbortController();
let scratch: Scratch;
/** What an ssh that git started was given; undefined where none was started. */
const sshCall = () => readFile(join(scratch.path, 'ssh-call'), 'utf8').catch(() => undefined);
const data = () => join(scratch.path, 'data');

beforeEach(async () => {
  scratch = await makeScratch('git-program');
  const bin = join(scratch.path, 'bin');
  await mkdir(bin);
  await writeFile(join(bin, 'ssh'), `#!/bin/sh\n{ echo "$0 $*"; env; } > '${scratch.path}/ssh-call'\nexit 255\n`);
  await chmod(join(bin, 'ssh'), 0o755);
  vi.stubEnv('PATH', `${bin}${delimiter}${process.env['PATH']}`);
  vi.stubEnv('SSH_AUTH_SOCK', '/run/operator-agent');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await scratch.remove();
});

test('no ssh is run for a repository, whatever agent and keys the operator has', async () => {
  const git = await openGit(data(), callGitAsChild, signal);
  for (const url of ['ssh://git@git.example.org/app.git', 'git@git.example.org:app.git'])
    await expect(git(scratch.path, ['ls-remote', url]), url).rejects.toThrow("transport 'ssh' not allowed");
  expect(await sshCall()).toBeUndefined();
});

test("with the operator's ssh configuration, ssh is given that file and no other key or agent", async () => {
  const sshConfig = join(scratch.path, "operator's config");
  await writeFile(sshConfig, '');
  const git = await openGit(data(), callGitAsChild, signal, sshConfig);
  await expect(git(scratch.path, ['ls-remote', 'git@git.example.org:app.git'])).rejects.toThrow();
  const call = await sshCall();
  expect(call).toContain(`-F ${sshConfig} -o BatchMode=yes -o ConnectTimeout=15 -o IdentityFile=none`);
  expect(call).not.toContain('operator-agent');
});

test('an ssh configuration that is not there is named at the start', async () => {
  await expect(openGit(data(), callGitAsChild, signal, '/nowhere/ssh_config')).rejects.toThrow('/nowhere/ssh_config');
});
