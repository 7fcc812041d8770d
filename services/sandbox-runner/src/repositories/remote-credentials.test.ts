import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import type { KV } from '@nats-io/kv';
import type { RemoteCredential } from '@worktrail/runtime/remote-credential';
import { sealCredential } from '@worktrail/runtime/remote-credential';
import { createSecretBox } from '@worktrail/runtime/secret-box';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openRemoteCredentials, sshCommand } from './remote-credentials.ts';

const run = promisify(execFile);
const secretBox = createSecretBox(Buffer.alloc(32, 3));
const token: RemoteCredential = { kind: 'token', server: 'https://git.example.org', username: 'ada', token: 'hunter2' };
const key: RemoteCredential = {
  kind: 'ssh_key',
  server: 'ssh://h:22',
  privateKey: 'PRIVATE\n',
  knownHosts: 'h k AA\n',
};
const documents = new Map<string, unknown>();
const configuration = {
  get: async (name: string) => {
    const value = documents.get(name);
    return value && { operation: 'PUT', revision: 1, json: () => value };
  },
} as unknown as KV;
let scratch: Scratch;
const open = () => openRemoteCredentials(scratch.path, { configuration, secretBox });
const kept = () => readdir(join(scratch.path, 'git', 'credentials'));

beforeEach(async () => {
  scratch = await makeScratch('remote credentials');
  documents.clear();
});
afterEach(() => scratch.remove());

test('a credential is found for the server that it was set for, and for no other', async () => {
  const credentials = await open();
  const setAt = '2026-01-01T00:00:00.000Z';
  documents.set('credential.prj_1', sealCredential(secretBox, 'prj_1', token, setAt));
  expect(await credentials.find('prj_1', 'https://git.example.org/app.git')).toEqual(token);
  for (const url of [
    'https://git.example.org:8443/app',
    'https://example.org/app',
    'git@git.example.org:app',
    '/srv/app',
  ])
    expect(await credentials.find('prj_1', url), url).toBeUndefined();
  expect(await credentials.find('prj_2', 'https://git.example.org/app.git')).toBeUndefined();
  const otherKey = createSecretBox(Buffer.alloc(32, 4));
  documents.set('credential.prj_1', sealCredential(otherKey, 'prj_1', token, setAt));
  await expect(credentials.find('prj_1', 'https://git.example.org/a')).rejects.toMatchObject({
    code: 'repository_unreachable',
  });
});

test('git answers a token to the very server, and nothing of it stands in environment or arguments', async () => {
  const credentials = await open();
  await credentials.use(token, async (environment) => {
    expect(JSON.stringify(environment)).not.toContain('hunter2');
    const ask = async (url: string) => {
      const asking = run('git', ['credential', 'fill'], {
        env: { ...process.env, ...environment, GIT_TERMINAL_PROMPT: '0', GIT_ASKPASS: '', HOME: scratch.path },
      });
      asking.child.stdin!.end(`url=${url}\n\n`);
      return (await asking.catch(() => ({ stdout: '' }))).stdout;
    };
    expect(await ask('https://git.example.org/team/app.git')).toContain('username=ada\npassword=hunter2');
    for (const url of ['https://git.example.org:8443/', 'http://git.example.org/', 'https://git.example.org.evil.org/'])
      expect(await ask(url), url).toBe('');
  });
});

test('what holds a credential is private to the runner and gone after use, whatever comes of it', async () => {
  const credentials = await open();
  await credentials.use(key, async () => {
    const [name] = await kept();
    const directory = join(scratch.path, 'git', 'credentials', name!);
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    for (const file of await readdir(directory)) expect((await stat(join(directory, file))).mode & 0o777).toBe(0o600);
    expect(await readFile(join(directory, 'key'), 'utf8')).toBe('PRIVATE\n');
  });
  expect(await kept()).toEqual([]);
  const said = 'remote: no hunter2, YWRhOmh1bnRlcjI= here';
  const failed = credentials.use(token, () => Promise.reject(new Error(said)));
  await expect(failed).rejects.toThrow('remote: no ***, *** here');
  expect(await kept()).toEqual([]);
});

test('what a killed runner left is gone when the next one begins', async () => {
  const left = join(scratch.path, 'git', 'credentials', 'use-abc');
  await mkdir(left, { recursive: true });
  await writeFile(join(left, 'key'), 'PRIVATE');
  await open();
  expect(await kept()).toEqual([]);
});

const hasSsh = spawnSync('ssh', ['-V']).status === 0;

test.skipIf(!hasSsh)(
  'ssh is given the key and the known hosts by their files, and nothing else of its own is used',
  async () => {
    const command = sshCommand('/data dir/50%/key', '/data dir/50%/known');
    const { stdout } = await run('sh', ['-c', `${command} -G git@git.example.org`]);
    const said = stdout.toLowerCase().split('\n');
    expect(said).toContain('identityfile /data dir/50%%/key');
    expect(said.filter((line) => line.startsWith('identityfile'))).toHaveLength(1);
    for (const line of ['identitiesonly yes', 'stricthostkeychecking true', 'batchmode yes', 'identityagent none'])
      expect(said).toContain(line);
    expect(stdout).toMatch(/^userknownhostsfile .*data dir\/50%%?\/known/m);
    expect(stdout).toMatch(/^globalknownhostsfile \/dev\/null$/m);
  },
);
