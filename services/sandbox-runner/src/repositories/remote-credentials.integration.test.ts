import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { KV } from '@nats-io/kv';
import { newId } from '@worktrail/contract/ids';
import { buckets, credentialKey } from '@worktrail/contract/subjects';
import { openBucket } from '@worktrail/runtime/buckets';
import { type RemoteCredential, sealCredential } from '@worktrail/runtime/remote-credential';
import { createSecretBox } from '@worktrail/runtime/secret-box';
import { type GitHttpsServer, startGitHttpsServer } from '@worktrail/testing/git-https-server';
import { type NatsServer, startNatsServer } from '@worktrail/testing/nats-server';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { accepts, freePort, startProcess } from '@worktrail/testing/server-process';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { makeRepository } from '../runner-bench.ts';
import { openGit } from './git-program.ts';
import { openRemoteCredentials } from './remote-credentials.ts';
import { createRepositoryMirrors, type RepositoryMirrors } from './repository-mirror.ts';
import { callGitAsChild } from '../host/git-call.ts';

const run = promisify(execFile);
const { signal } = new AbortController();
const secretBox = createSecretBox(Buffer.alloc(32, 9));
const organizationId = newId('organization');
const username = 'ada';
const token = 'correct-horse-battery';
const shown = `Basic ${Buffer.from(`${username}:${token}`).toString('base64')}`;

let scratch: Scratch;
let nats: NatsServer;
let connection: NatsConnection;
let configuration: KV;
let server: GitHttpsServer;
let mirrors: RepositoryMirrors;
let beforeAnswer: (path: string) => Promise<void> = async () => undefined;

beforeAll(async () => {
  scratch = await makeScratch('credentials');
  nats = await startNatsServer(join(scratch.path, 'nats'));
  connection = await connect({ servers: nats.url });
  configuration = await openBucket(connection, buckets.configuration);
  const root = join(scratch.path, 'served');
  await makeRepository(join(scratch.path, 'work'));
  await mkdir(root);
  await run('git', ['clone', '-q', '--bare', join(scratch.path, 'work'), join(root, 'app.git')]);
  const of = { root, scratch: scratch.path, username, password: token };
  server = await startGitHttpsServer({ ...of, beforeAnswer: (path) => beforeAnswer(path) });
  vi.stubEnv('GIT_SSL_CAINFO', server.caPath);
  const dataDirectory = join(scratch.path, 'data');
  const git = await openGit(dataDirectory, callGitAsChild, signal);
  const credentials = await openRemoteCredentials(dataDirectory, { configuration, secretBox });
  const nothing = async () => undefined;
  const pins = { noteTips: nothing, keepLostTips: nothing, restore: nothing };
  const roots = { allowed: [], stateDirectory: dataDirectory, ssh: false };
  mirrors = createRepositoryMirrors({ dataDirectory, roots, git, pins, credentials });
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await server?.close();
  await connection?.close();
  await nats?.stop();
  await scratch?.remove();
});

async function projectWith(credential?: RemoteCredential): Promise<string> {
  const projectId = newId('project');
  if (credential) await set(projectId, credential);
  return projectId;
}

async function set(projectId: string, credential: RemoteCredential): Promise<void> {
  const document = sealCredential(secretBox, projectId, credential, new Date().toISOString());
  await configuration.put(credentialKey(projectId), JSON.stringify(document));
}

const tokenFor = (url: string, value = token): RemoteCredential => ({
  kind: 'token',
  server: new URL(url).origin,
  username,
  token: value,
});
const sync = (projectId: string, url = `${server.url}/app.git`) =>
  mirrors.sync({ organizationId, projectId, repository: { url, defaultBranch: 'main' }, baseRef: null });

test('a repository that asks for a credential is fetched with that of its project, and not without', async () => {
  const commit = (await run('git', ['rev-parse', 'main'], { cwd: join(scratch.path, 'work') })).stdout.trim();
  expect(await sync(await projectWith(tokenFor(server.url)))).toMatchObject({ baseCommit: commit });
  await expect(sync(await projectWith())).rejects.toMatchObject({
    code: 'repository_unreachable',
    message: expect.stringContaining('asks for a credential, and the project has none for it'),
  });
  const wrong = await sync(await projectWith(tokenFor(server.url, 'wrong-token'))).catch((error: Error) => error);
  expect(wrong).toMatchObject({ code: 'repository_unreachable', message: expect.stringContaining('Authentication') });
  expect(String(wrong)).not.toContain('wrong-token');
});

test('what one project fetched with its credential another one cannot borrow, and a new credential reads the same mirror', async () => {
  const one = await projectWith(tokenFor(server.url));
  const { objectsPath } = await sync(one);
  const other = await projectWith(tokenFor(server.url));
  expect((await sync(other)).objectsPath).not.toBe(objectsPath);
  const without = await projectWith();
  const commit = (await sync(one)).baseCommit;
  const request = {
    organizationId,
    projectId: without,
    repository: { url: `${server.url}/app.git`, defaultBranch: 'main' },
  };
  await expect(mirrors.provide(request, commit)).rejects.toThrow('asks for a credential');
  await set(one, tokenFor(server.url, 'revoked'));
  await expect(sync(one)).rejects.toMatchObject({ code: 'repository_unreachable' });
  await set(one, tokenFor(server.url));
  expect((await sync(one)).objectsPath).toBe(objectsPath);
});

test('a redirect to another server does not take the token there', async () => {
  const elsewhere = await startGitHttpsServer({
    ...{ root: join(scratch.path, 'served'), scratch: scratch.path },
    ...{ username: 'other', password: 'other' },
  });
  const redirecting = await startGitHttpsServer({
    ...{ root: '/nonexistent', scratch: scratch.path, username, password: token },
    redirectTo: elsewhere.url,
  });
  try {
    const projectId = await projectWith(tokenFor(redirecting.url));
    await expect(sync(projectId, `${redirecting.url}/app.git`)).rejects.toMatchObject({
      code: 'repository_unreachable',
    });
    expect(elsewhere.requests.length).toBeGreaterThan(0);
    expect(elsewhere.requests.map(({ authorization }) => authorization)).not.toContain(shown);
    expect(elsewhere.requests.every(({ authorization }) => authorization === undefined)).toBe(true);
  } finally {
    await redirecting.close();
    await elsewhere.close();
  }
});

test('while it is used, no process has the token in its arguments or environment, and nothing of it stays on the disk', async () => {
  const seen: string[] = [];
  beforeAnswer = async () => {
    for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && name !== String(process.pid))) {
      for (const what of ['cmdline', 'environ'])
        seen.push(await readFile(join('/proc', pid, what), 'latin1').catch(() => ''));
    }
  };
  await sync(await projectWith(tokenFor(server.url)));
  beforeAnswer = async () => undefined;
  expect(seen.some((text) => text.includes('git-remote-https') || text.includes('remote-https'))).toBe(true);
  expect(seen.filter((text) => text.includes(token))).toEqual([]);
  const files = await run('grep', ['-rlF', '-e', token, '-e', shown.slice(6), join(scratch.path, 'data')]).catch(
    (error: { stdout: string }) => error,
  );
  expect(files.stdout).toBe('');
});

// `tests/prepare.mjs` installs it where it may; `npm test` says so where it may not.
const sshd = ['/usr/sbin/sshd', '/usr/bin/sshd'].find((path) => existsSync(path));

test.skipIf(!sshd)(
  'a repository is fetched over ssh with the key of its project, from the very server that is known',
  async () => {
    const home = join(scratch.path, 'sshd');
    await mkdir(home, { mode: 0o700 });
    const makeKey = async (name: string) => {
      await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', join(home, name)]);
      return {
        privateKey: await readFile(join(home, name), 'utf8'),
        publicKey: await readFile(join(home, `${name}.pub`), 'utf8'),
      };
    };
    const host = await makeKey('host');
    const user = await makeKey('user');
    const port = await freePort();
    await writeFile(join(home, 'authorized'), user.publicKey, { mode: 0o600 });
    const lines = [
      ...[`Port ${port}`, 'ListenAddress 127.0.0.1', `HostKey ${join(home, 'host')}`, `PidFile ${join(home, 'pid')}`],
      ...[`AuthorizedKeysFile ${join(home, 'authorized')}`, 'StrictModes no', 'UsePAM no', 'PasswordAuthentication no'],
      'PermitRootLogin prohibit-password',
    ];
    await writeFile(join(home, 'config'), `${lines.join('\n')}\n`);
    const options = { logPath: join(home, 'log'), ready: () => accepts(port) };
    const running = await startProcess(sshd!, ['-D', '-e', '-f', join(home, 'config')], options);
    try {
      const url = `ssh://${userInfo().username}@127.0.0.1:${port}${join(scratch.path, 'served', 'app.git')}`;
      const [kind, key] = host.publicKey.split(' ');
      const knownHosts = `[127.0.0.1]:${port} ${kind} ${key!.trim()}\n`;
      const credential: RemoteCredential = {
        ...{ kind: 'ssh_key', server: `ssh://127.0.0.1:${port}` },
        ...{ privateKey: user.privateKey, knownHosts },
      };
      expect((await sync(await projectWith(credential), url)).baseCommit).toMatch(/^[0-9a-f]{40}$/);
      const otherHost = await makeKey('other');
      const [otherKind, otherKey] = otherHost.publicKey.split(' ');
      const unknown = { ...credential, knownHosts: `[127.0.0.1]:${port} ${otherKind} ${otherKey!.trim()}\n` };
      await expect(sync(await projectWith(unknown), url)).rejects.toMatchObject({ code: 'repository_unreachable' });
      const stranger = { ...credential, privateKey: otherHost.privateKey };
      await expect(sync(await projectWith(stranger), url)).rejects.toMatchObject({ code: 'repository_unreachable' });
      await expect(sync(await projectWith(), url)).rejects.toMatchObject({ code: 'repository_not_allowed' });
      expect(await readdir(join(dirname(home), 'data', 'git', 'credentials'))).toEqual([]);
    } finally {
      await running.stop();
    }
  },
);
