// A session's branch by plain git: the project's repository of the gateway, cloned and fetched by the real git.

import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createApi, hibernate } from './api.ts';
import { makeRepository } from './repository.ts';

const run = promisify(execFile);
const key = inject('apiKey');
const api = createApi(inject('apiUrl'), key);
let scratch: string;
let upstream: string;
let projectId: string;
let session: { id: string; branch: string };

/** The outcome of a git that knows this key, and nothing else of the machine's. */
async function git(args: string[], options: { cwd?: string; key?: string | null } = {}): Promise<string> {
  const shown = options.key === undefined ? key : options.key;
  const helper = '!f() { test "$1" = get && echo username=anyone && echo "password=$WORKTRAIL_API_KEY"; }; f';
  const { stdout, stderr } = await run('git', ['-c', `credential.helper=${shown === null ? '' : helper}`, ...args], {
    cwd: options.cwd ?? scratch,
    maxBuffer: 64 * 1024 * 1024,
    env: {
      PATH: process.env['PATH'],
      HOME: scratch,
      LC_ALL: 'C',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_TERMINAL_PROMPT: '0',
      WORKTRAIL_API_KEY: shown ?? '',
    },
  });
  return stdout + stderr;
}
const refused = (args: string[], options = {}) =>
  git(args, options).then(
    (said) => `done: ${said}`,
    (error: { stderr: string }) => error.stderr,
  );

const address = (id = projectId) => `${inject('apiUrl')}/v1/git/${id}.git`;
const inSession = (command: string, id = session.id) =>
  api.make(`/v1/sessions/${id}/commands?waitSeconds=280`, { command, stdin: '' });
const keep = (id = session.id) => api.make(`/v1/sessions/${id}/checkpoints`);

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'worktrail-e2e-git-'));
  upstream = (await makeRepository(join(inject('repositoryRoot'), 'served'), 30)).path;
  projectId = (await api.make('/v1/projects', { name: 'served', repository: { url: upstream } })).id;
  session = await api.make(`/v1/projects/${projectId}/sessions?waitSeconds=280`, { title: 'Serve me' });
  const work = 'echo mine > mine && git add mine && git commit -qm "In the session" && echo open > not-committed';
  expect(await inSession(work)).toMatchObject({ exitCode: 0 });
  await keep();
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

test.each(['0', '1', '2'])(
  "a clone by protocol %s has upstream's branch and the session's commits",
  async (version) => {
    const clone = join(scratch, `clone-${version}`);
    const protocol = ['-c', `protocol.version=${version}`];
    await git([...protocol, 'clone', '-q', address(), clone]);
    expect(await git(['log', '--format=%s', `origin/${session.branch}`], { cwd: clone })).toBe(
      'In the session\nStart\n',
    );
    expect(await git(['branch', '--show-current'], { cwd: clone })).toBe('main\n');
    expect(await readFile(join(clone, 'README.md'), 'utf8')).toContain('A repository for tests');
    await git(['fsck', '--connectivity-only'], { cwd: clone });
    const head = (await api.get(`/v1/sessions/${session.id}`)).body.headCommit;
    expect(await git(['rev-parse', `origin/${session.branch}`], { cwd: clone })).toBe(`${head}\n`);
  },
);

test('later commits come by fetch, also of a session that sleeps, and what is not committed by its checkpoint', async () => {
  const clone = join(scratch, 'fetching');
  await git(['clone', '-q', '--branch', session.branch, address(), clone]);
  expect(await inSession('echo more >> mine && git commit -qam More')).toMatchObject({ exitCode: 0 });
  await hibernate(api, session.id);
  await git(['pull', '-q', '--ff-only'], { cwd: clone });
  expect(await readFile(join(clone, 'mine'), 'utf8')).toBe('mine\nmore\n');
  const { items } = (await api.get(`/v1/sessions/${session.id}/checkpoints`)).body;
  const { number, commit } = items.at(-1);
  const ref = `refs/worktrail/checkpoints/${session.id}/${number}`;
  await git(['fetch', '-q', 'origin', ref], { cwd: clone });
  expect(await git(['rev-parse', 'FETCH_HEAD'], { cwd: clone })).toBe(`${commit}\n`);
  expect(await git(['show', 'FETCH_HEAD:not-committed'], { cwd: clone })).toBe('open\n');
});

test('a branch that the session rewrote, one that it left and one that it removed are shown as they are', async () => {
  const other = await api.make(`/v1/projects/${projectId}/sessions?waitSeconds=280`, { title: 'Rewriter' });
  const commits = 'for n in 1 2 3; do echo $n > n; git add n; git commit -qm "n $n"; done; git rev-parse HEAD';
  await inSession(commits, other.id);
  await keep(other.id);
  const listed = async () => (await git(['ls-remote', address(), `refs/heads/${other.branch}`])).split('\t')[0];
  const before = await listed();
  const rewrite =
    'git reset -q --hard HEAD~2 && git commit -q --amend -m other && git pack-refs --all && git rev-parse HEAD';
  const rewritten = (await inSession(rewrite, other.id)).output.text.trim();
  await inSession('git checkout -q -b elsewhere && git commit -q --allow-empty -m elsewhere', other.id);
  await keep(other.id);
  expect(rewritten).not.toBe(before);
  expect(await listed()).toBe(rewritten);
  await inSession(`git branch -q -D ${other.branch}`, other.id);
  await keep(other.id);
  expect(await listed()).toBe('');
});

test('without a key, with a wrong one, and for a project of another organization nothing is told', async () => {
  expect(await refused(['ls-remote', address()], { key: null })).toContain('could not read Username');
  const wrong = key.replace(/.$/, (last) => (last === '0' ? '1' : '0'));
  expect(await refused(['ls-remote', address()], { key: wrong })).toContain('Authentication failed');
  const operator = createApi(inject('apiUrl'), inject('operatorToken'));
  const made = await operator.make('/v1/organizations', { name: 'Other', principal: { name: 'Eve', kind: 'user' } });
  expect(await refused(['ls-remote', address()], { key: made.key.secret })).toContain('not found');
  expect(await refused(['ls-remote', address('prj_01jd0000000000000000000000')])).toContain('not found');
  const plain = await fetch(`${address()}/info/refs?service=git-upload-pack`);
  expect(plain.status).toBe(401);
  expect(plain.headers.get('www-authenticate')).toMatch(/^Basic /);
});

test('nothing can be pushed, and a request that is no git is refused by name', async () => {
  const clone = join(scratch, 'pushing');
  await git(['clone', '-q', address(), clone]);
  await writeFile(join(clone, 'pushed'), '');
  await git(['add', '.'], { cwd: clone });
  await git(['-c', 'user.name=t', '-c', 'user.email=t@example.org', 'commit', '-qm', 'pushed'], { cwd: clone });
  expect(await refused(['push', 'origin', 'HEAD:main'], { cwd: clone })).toContain(
    'remote: this repository is read-only',
  );
  const push = await api.request('POST', `/v1/git/${projectId}.git/git-receive-pack`, '0000');
  expect(push.status).toBe(404);
  const dumb = await api.get(`/v1/git/${projectId}.git/info/refs`);
  expect(dumb).toMatchObject({ status: 422, body: { errors: [{ path: 'service' }] } });
  const nonsense = await fetch(`${address()}/git-upload-pack`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-encoding': 'gzip' },
    body: 'no gzip',
  });
  expect(nonsense.status).toBe(400);
  for (const body of ['garbage', '']) {
    const answer = await api.request('POST', `/v1/git/${projectId}.git/git-upload-pack`, body);
    expect(answer).toMatchObject({ status: 400, body: { code: 'malformed_request' } });
  }
});

test('clones at the same time all come to their end', async () => {
  const clones = Array.from({ length: 12 }, (_, index) => join(scratch, `side-by-side-${index}`));
  await Promise.all(clones.map((clone) => git(['clone', '-q', '--bare', address(), clone])));
  const heads = await Promise.all(clones.map((clone) => git(['rev-parse', 'main'], { cwd: clone })));
  expect(new Set(heads).size).toBe(1);
});
