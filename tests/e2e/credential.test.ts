// A private repository is read with its project's credential, which nobody sees again: neither its sandboxes nor who reads the history,
// the documents, the logs or the disk.

import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import { type GitHttpsServer, startGitHttpsServer } from '@worktrail/testing/git-https-server';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readConnection } from '../../deploy/local/src/connection-file.ts';
import { type Api, createApi, readHistory } from './api.ts';
import { makeRepository } from './repository.ts';
import { type RunningTestCluster, startTestCluster } from './test-cluster.ts';

const run = promisify(execFile);
const username = 'ada-of-the-token';
/** No other test's, which may run beside this one and show it. */
const token = `correct-horse-${randomUUID()}`;
const shown = Buffer.from(`${username}:${token}`).toString('base64');
const secrets = [token, username, 'a-token-that-is-wrong', shown];
/** Where a runner gives it to git: a directory that is there for one call. */
const given = /\/git\/credentials\/use-[^/]+\//;
let scratch: string;
let server: GitHttpsServer;
let cluster: RunningTestCluster;
let api: Api;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'worktrail-e2e-credential-'));
  const { path } = await makeRepository(join(scratch, 'work'), 10);
  await writeFile(join(scratch, 'secrets'), `${secrets.join('\n')}\n`);
  await mkdir(join(scratch, 'served'));
  await run('git', ['clone', '-q', '--bare', path, join(scratch, 'served', 'app.git')]);
  const root = join(scratch, 'served');
  await run('git', ['config', 'http.receivepack', 'true'], { cwd: join(root, 'app.git') });
  server = await startGitHttpsServer({ root, scratch, username, password: token, beforeAnswer: (path) => look(path) });
  // That trusts the server of this test.
  cluster = await startTestCluster('credential', { GIT_SSL_CAINFO: server.caPath });
  api = createApi(cluster.apiUrl, cluster.apiKey);
});
afterAll(async () => {
  await cluster?.stop();
  await server?.close();
  await rm(scratch, { recursive: true, force: true });
});

/** Requests of git during which this was looked for, and where it was found. */
const looks: { path: string; found: string[] }[] = [];
/** Into what every process of the machine was told, but this one, and into all that the cluster has written. */
async function look(path: string): Promise<void> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && name !== String(process.pid));
  const told = pids.flatMap((pid) => ['cmdline', 'environ'].map((what) => join('/proc', pid, what)));
  const texts = await Promise.all(told.map((file) => readFile(file, 'latin1').catch(() => '')));
  const found = told.filter((_, index) => secrets.some((secret) => texts[index]!.includes(secret)));
  // The disk is not small: twice for each kind of request.
  const isEarly = looks.filter((one) => one.path === path).length < 2;
  looks.push({ path, found: [...found, ...(isEarly ? await onDisk() : [])].filter((file) => !given.test(file)) });
}

/** Logs, documents, workflows, events, mirrors. */
async function onDisk(): Promise<string[]> {
  // Not by arguments, which every process sees.
  const { stdout } = await run('grep', ['-rlaF', '-f', join(scratch, 'secrets'), cluster.stateDirectory]).catch(
    ({ stdout }) => ({
      stdout,
    }),
  );
  return stdout.split('\n').filter((line: string) => line !== '');
}

/** All that Temporal has of every workflow, as its client reads it. */
async function histories(): Promise<string> {
  const { addresses, temporalNamespace } = (await readConnection(join(cluster.stateDirectory, 'connection.json')))!;
  const connection = await Connection.connect({ address: addresses.temporal });
  try {
    const client = new Client({ connection, namespace: temporalNamespace });
    const texts: string[] = [];
    for await (const { workflowId, runId } of client.workflow.list()) {
      const { events } = await client.workflow.getHandle(workflowId, runId).fetchHistory();
      // Payloads are bytes.
      const read = (_: string, value: unknown) => (value instanceof Uint8Array ? Buffer.from(value).toString() : value);
      texts.push(JSON.stringify(events, read));
    }
    return texts.join('\n');
  } finally {
    await connection.close();
  }
}

test('with its credential a project opens sessions of a private repository and merges into it, and the credential is nowhere to be seen', async () => {
  const project = await api.make('/v1/projects', {
    name: 'private',
    repository: { url: `${server.url}/app.git` },
    approval: { requiredApprovals: 0, requiredChecks: ['test -s change; env; cat .git/config'] },
  });
  const newSession = () => api.make(`/v1/projects/${project.id}/sessions?waitSeconds=280`, { title: 'Private' });
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
  const looked = await api.make(`/v1/sessions/${session.id}/commands?waitSeconds=280`, { command: looking, stdin: '' });
  expect(looked.output.text).toMatch(/^Start\n/);
  await api.request('PUT', `/v1/sessions/${session.id}/files/change`, 'changed');
  const { id } = await api.make(`/v1/sessions/${session.id}/proposals`);
  const proposal = async () => (await api.get(`/v1/proposals/${id}`)).body;
  await expect.poll(async () => (await proposal()).state, { interval: 300 }).toBe('mergeable');
  const { checkSessionId } = await proposal();
  await api.make(`/v1/proposals/${id}/merge`);
  await expect.poll(async () => (await proposal()).state, { interval: 300 }).toBe('merged');
  const { mergeCommit } = await proposal();
  expect((await run('git', ['-C', join(scratch, 'served', 'app.git'), 'rev-parse', 'main'])).stdout.trim()).toBe(
    mergeCommit,
  );

  const shownToUsers = JSON.stringify([
    ...[looked, refused, await proposal(), await readHistory(api, session.id), await readHistory(api, checkSessionId)],
    ...(await Promise.all(
      [`/v1/projects/${project.id}`, `/v1/sessions/${session.id}`, '/v1/audit?limit=200'].map((path) => api.get(path)),
    )),
  ]);
  const workflows = await histories();
  expect(workflows).toContain('pushCandidate');
  for (const secret of secrets) {
    expect(shownToUsers).not.toContain(secret);
    expect(workflows).not.toContain(secret);
  }
  for (const service of ['git-upload-pack', 'git-receive-pack'])
    expect(looks.filter(({ path }) => path.endsWith(service)).length, service).toBeGreaterThan(0);
  expect(looks.flatMap(({ found }) => found)).toEqual([]);
  expect((await api.get(`/v1/projects/${project.id}`)).body.credential).toMatchObject({ kind: 'token' });
  expect(await onDisk()).toEqual([]);
});
