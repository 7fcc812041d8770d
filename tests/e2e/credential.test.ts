// A private repository is read with its project's credential, which nobody sees again: neither its sandboxes nor who reads the history,
// the documents, the logs or the disk.

import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type GitHttpsServer, startGitHttpsServer } from '@worktrail/testing/git-https-server';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Api, createApi, readHistory } from './api.ts';
import { makeRepository } from './repository.ts';
import { type RunningTestCluster, startTestCluster } from './test-cluster.ts';

const run = promisify(execFile);
const username = 'ada-of-the-token';
const token = 'correct-horse-battery-staple';
let scratch: string;
let server: GitHttpsServer;
let cluster: RunningTestCluster;
let api: Api;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'worktrail-e2e-credential-'));
  const { path } = await makeRepository(join(scratch, 'work'), 10);
  await mkdir(join(scratch, 'served'));
  await run('git', ['clone', '-q', '--bare', path, join(scratch, 'served', 'app.git')]);
  const root = join(scratch, 'served');
  server = await startGitHttpsServer({ root, scratch, username, password: token });
  // That trusts the server of this test.
  cluster = await startTestCluster('credential', { GIT_SSL_CAINFO: server.caPath });
  api = createApi(cluster.apiUrl, cluster.apiKey);
});
afterAll(async () => {
  await cluster?.stop();
  await server?.close();
  await rm(scratch, { recursive: true, force: true });
});

test('with its credential a project opens sessions of a private repository, and the credential is nowhere to be seen', async () => {
  const project = await api.make('/v1/projects', { name: 'private', repository: { url: `${server.url}/app.git` } });
  const newSession = () => api.make(`/v1/projects/${project.id}/sessions?waitSeconds=60`, { title: 'Private' });
  const credential = (value: string) =>
    api.request('PUT', `/v1/projects/${project.id}/credential`, { kind: 'token', token: value, username });
  expect(await newSession()).toMatchObject({
    state: 'failed',
    failure: { code: 'repository_unreachable', detail: expect.stringContaining('asks for a credential') },
  });
  expect((await credential('a-token-that-is-wrong')).status).toBe(204);
  const refused = await newSession();
  expect(refused).toMatchObject({ state: 'failed', failure: { code: 'repository_unreachable' } });
  expect((await credential(token)).status).toBe(204);
  const session = await newSession();
  expect(session.state).toBe('ready');
  const looking =
    'git log --format=%s; env; git config --list; cat .git/config; cat /proc/*/cmdline /proc/*/environ; true';
  const looked = await api.make(`/v1/sessions/${session.id}/commands?waitSeconds=60`, { command: looking, stdin: '' });
  expect(looked.output.text).toMatch(/^Start\n/);
  await api.make(`/v1/sessions/${session.id}/checkpoints`);

  const shown = JSON.stringify([
    ...[looked, refused, await readHistory(api, session.id)],
    ...(await Promise.all(
      [`/v1/projects/${project.id}`, `/v1/sessions/${session.id}`, '/v1/audit?limit=200'].map((path) => api.get(path)),
    )),
  ]);
  const secrets = [token, username, 'a-token-that-is-wrong', Buffer.from(`${username}:${token}`).toString('base64')];
  for (const secret of secrets) expect(shown).not.toContain(secret);
  expect((await api.get(`/v1/projects/${project.id}`)).body.credential).toMatchObject({ kind: 'token' });
  // Logs, documents, workflows, events, mirrors: all that the cluster wrote.
  const patterns = secrets.flatMap((secret) => ['-e', secret]);
  const found = await run('grep', ['-rlaF', ...patterns, cluster.stateDirectory]).catch(({ stdout }) => ({ stdout }));
  expect(found.stdout).toBe('');
}, 120_000);
