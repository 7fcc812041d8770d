// P5: whatever a repository holds, upstream's or a session's, none of it runs outside of the sandbox, leads out of it, or holds up
// another session. Each trap would leave a mark on the host, where the services run as the user of this test.

import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type Api, createApi, hibernate } from './api.ts';
import { makeRepository } from './repository.ts';
import { type RunningTestCluster, startTestCluster } from './test-cluster.ts';

const run = promisify(execFile);
/** In a sandbox /tmp is its own. */
const mark = `/tmp/worktrail-hostile-${randomUUID()}`;
const trap = `id -u >> ${mark}`;
/** The commands of another session meanwhile take no longer than this. */
const besideMsMax = 30_000;

let cluster: RunningTestCluster;
let api: Api;
let scratch: string;
let bystander: string;

beforeAll(async () => {
  cluster = await startTestCluster('hostile');
  api = createApi(cluster.apiUrl, cluster.apiKey);
  scratch = await mkdtemp(join(tmpdir(), 'worktrail-e2e-hostile-'));
  const { path } = await makeRepository(join(cluster.repositoryRoot, 'bystander'), 5);
  bystander = (await newSession(await newProject('bystander', path))).id;
});
afterAll(async () => {
  await cluster.stop();
  await rm(scratch, { recursive: true, force: true });
  await rm(mark, { force: true });
});
afterEach(() => expect(existsSync(mark)).toBe(false));

const newProject = async (name: string, url: string): Promise<string> =>
  (await api.make('/v1/projects', { name, repository: { url } })).id;
const newSession = (projectId: string, fields = {}) =>
  api.make(`/v1/projects/${projectId}/sessions?waitSeconds=280`, { title: 'Hostile', ...fields });
const inSession = (sessionId: string, command: string) =>
  api.make(`/v1/sessions/${sessionId}/commands?waitSeconds=280`, { command, stdin: '' });
async function output(sessionId: string, command: string): Promise<string> {
  const ended = await inSession(sessionId, command);
  expect(ended, ended.output?.text).toMatchObject({ outcome: 'exited', exitCode: 0 });
  return ended.output.text;
}

/** The work, with commands of another session run beside it, one after the other, to its end. */
async function beside<T>(work: Promise<T>): Promise<T> {
  let isOver = false;
  const ended = work.finally(() => {
    isOver = true;
  });
  ended.catch(() => undefined);
  do {
    const startedAt = Date.now();
    expect(await output(bystander, 'echo here; git status --short | wc -l')).toBe('here\n0\n');
    expect(Date.now() - startedAt).toBeLessThan(besideMsMax);
  } while (!isOver);
  return ended;
}

/** What is kept of the session after what has ended in it, however long that takes. */
async function kept(sessionId: string): Promise<any> {
  const path = `/v1/sessions/${sessionId}/checkpoints`;
  const headers = { 'idempotency-key': randomUUID() };
  let asked = await api.post(path, {}, headers);
  // A request does not wait for minutes.
  while (asked.status === 503) asked = await api.post(path, {}, headers);
  expect(asked.status).toBe(201);
  // The session may have made one by itself before, and then this one found nothing new.
  const { items } = (await api.get(`${path}?limit=200`)).body;
  return items.findLast(({ filesChanged }: any) => filesChanged > 0) ?? asked.body;
}

/** By all checkpoints together: one that the session makes by itself, in the middle of a command too, leaves less for the next. */
async function filesChanged(sessionId: string): Promise<number> {
  const { items } = (await api.get(`/v1/sessions/${sessionId}/checkpoints?limit=200`)).body;
  return items.reduce((sum: number, checkpoint: any) => sum + checkpoint.filesChanged, 0);
}

async function inStore(sessionId: string, ...args: string[]): Promise<string> {
  const store = join(cluster.stateDirectory, 'runner', 'sessions', sessionId, 'store.git');
  return (await run('git', ['--git-dir', store, ...args], { maxBuffer: 16 * 1024 * 1024 })).stdout;
}

/** What the session's store says that the checkpoint is without. */
async function notKept(sessionId: string, { number }: { number: number }): Promise<string[]> {
  return JSON.parse(await inStore(sessionId, 'show', `refs/worktrail/state/${number}:manifest.json`)).notKept;
}

/** By plain git, as somebody who knows nothing of where it comes from. */
async function clone(projectId: string, branch: string): Promise<string> {
  const path = join(scratch, randomUUID());
  const helper = '!f() { test "$1" = get && echo username=any && echo "password=$WORKTRAIL_API_KEY"; }; f';
  const environment = {
    PATH: process.env['PATH'],
    HOME: scratch,
    GIT_CONFIG_NOSYSTEM: '1',
    WORKTRAIL_API_KEY: cluster.apiKey,
  };
  const options = ['-q', '--no-checkout', '--branch', branch, `${cluster.apiUrl}/v1/git/${projectId}.git`, path];
  await run('git', ['-c', `credential.helper=${helper}`, 'clone', ...options], { env: environment });
  return path;
}

const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

const programs = [
  ...['core.fsmonitor', 'core.sshCommand', 'core.gitProxy', 'core.pager', 'core.editor', 'core.askPass'],
  ...['core.alternateRefsCommand', 'uploadpack.packObjectsHook', 'remote.origin.uploadpack', 'gpg.program'],
  ...['filter.evil.clean', 'filter.evil.smudge', 'filter.evil.process', 'diff.evil.textconv', 'diff.evil.command'],
  ...['merge.evil.driver', 'diff.external', 'interactive.diffFilter', 'sequence.editor', 'trailer.evil.command'],
];
const hooks = [
  ...['pre-commit', 'post-commit', 'post-checkout', 'post-merge', 'post-rewrite', 'post-index-change', 'update'],
  ...['reference-transaction', 'fsmonitor-watchman', 'pre-auto-gc', 'pre-receive', 'post-receive', 'proc-receive'],
];
const attributes = '* filter=evil diff=evil merge=evil ident working-tree-encoding=UTF-16';

/** Run in a repository: from then on whatever git does there runs the trap. */
const armed = [
  ...programs.map((name) => `git config ${name} ${quoted(`${trap}; false`)}`),
  `git config credential.helper ${quoted(`!${trap}`)}; git config protocol.ext.allow always; git config filter.evil.required true`,
  `git config url.${quoted(`ext::sh -c "${trap}" `)}.insteadOf /; git config core.attributesFile /etc/passwd`,
  `git config core.hooksPath "$PWD/.git/hooks"; mkdir -p .git/hooks .git/info`,
  `for hook in ${hooks.join(' ')}; do printf '#!/bin/sh\\n%s\\n' ${quoted(trap)} > .git/hooks/$hook; chmod 755 .git/hooks/$hook; done`,
  `echo '${attributes}' > .git/info/attributes; printf '[include]\\n\\tpath = /etc/passwd\\n' >> .git/config`,
].join('\n');

test('a session full of traps is kept, sleeps, wakes and is fetched, and none of them runs on the host', async () => {
  const { path } = await makeRepository(join(cluster.repositoryRoot, 'trapped'), 5);
  const projectId = await newProject('trapped', path);
  const session = await newSession(projectId);
  await output(
    session.id,
    `set -e; echo mine > mine; git add mine; git commit -qm Mine; echo '${attributes}' > .gitattributes
    ln -s /etc etc; ln -s /etc/shadow shadow; ln -s ../../../../../.. up; mkdir deep; ln -s / deep/root; echo x > -rf; echo x > --upload-pack=id
    mkdir nested; cd nested; git init -q; echo n > n; git add n; git -c user.name=n -c user.email=n@example.org commit -qm n; ${armed}
    mkdir inner; cd inner; git init -q; ${armed}; echo i > i; cd ../..
    mkdir pointing; echo 'gitdir: /etc' > pointing/.git; echo p > pointing/p
    mkdir linked; ln -s /etc linked/.git; echo l > linked/l
    git replace "$(git rev-parse HEAD)" "$(git rev-parse HEAD~1)"; git rev-parse HEAD > .git/info/grafts
    ${armed}
    printf '/etc\\n/proc/1/root\\n/var/lib\\n' >> .git/objects/info/alternates
    mkdir -p .GIT/hooks 'git~1/hooks'; echo ${quoted(trap)} | tee .GIT/hooks/post-checkout > 'git~1/hooks/post-checkout'
    name="$(printf '\\033]0;title\\007 \\033[2J\\nline')"; echo odd > "$name"
    (for n in $(seq 25); do mkdir "$(printf '%0200d' "$n")" && cd "$(printf '%0200d' "$n")" || exit; done; echo deep > file)
    ln -s /etc/passwd .git/refs/heads/passwd; printf '%s refs/heads/--evil\\n' "$(cat .git/refs/heads/worktrail/*)" >> .git/packed-refs`,
  );
  const listing = `find . -name .git -prune -o -printf '%y %p %l\\n' | sort; cat mine nested/n nested/inner/i pointing/p`;
  const before = await output(session.id, listing);
  expect(before).toContain('l ./shadow /etc/shadow');
  const checkpoint = await beside(kept(session.id));
  expect(await filesChanged(session.id)).toBeGreaterThan(5);
  await beside(hibernate(api, session.id));
  expect(await output(session.id, listing)).toBe(before);
  const cloned = await clone(projectId, session.branch);
  const { stdout } = await run('git', ['show', 'HEAD:mine'], { cwd: cloned });
  expect(stdout).toBe('mine\n');
  const [fork] = (await api.make(`/v1/sessions/${session.id}/fork`)).items;
  expect(await beside(output(fork.id, 'cat mine nested/n; ls -d .GIT git~1 2> /dev/null || true'))).toBe('mine\nn\n');
  expect((await notKept(session.id, checkpoint)).join()).toContain(
    '2 files whose name git refuses: .GIT/hooks/post-checkout',
  );
  for (const what of ['diff', 'files', 'files/mine', 'files/shadow', 'files/up/etc/passwd', 'files/etc/passwd'])
    expect((await api.get(`/v1/sessions/${session.id}/${what}`)).status, what).toBeLessThan(500);
});

/** An object as it is, whether or not git would make it. */
async function literally(repository: string, type: string, content: Buffer): Promise<string> {
  const hashing = run('git', ['hash-object', '-t', type, '-w', '--literally', '--stdin'], { cwd: repository });
  hashing.child.stdin!.end(content);
  return (await hashing).stdout.trim();
}

function entry(mode: string, name: string, id: string): Buffer {
  return Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(id, 'hex')]);
}

async function commitOf(repository: string, tree: string): Promise<string> {
  const who = 'T <t@example.org> 1700000000 +0000';
  return literally(repository, 'commit', Buffer.from(`tree ${tree}\nauthor ${who}\ncommitter ${who}\n\nhostile\n`));
}

test('an upstream whose trees lead out of the work tree opens no session, writes nothing outside, and its other branches are of use', async () => {
  const { path } = await makeRepository(join(cluster.repositoryRoot, 'dotdot'), 5);
  const git = async (...args: string[]) => (await run('git', args, { cwd: path })).stdout.trim();
  const blob = await literally(path, 'blob', Buffer.from(`#!/bin/sh\n${trap}\n`));
  const escaping = await literally(path, 'tree', entry('100755', 'escaped', blob));
  const up = await literally(path, 'tree', entry('40000', '..', escaping));
  await git(
    'update-ref',
    'refs/heads/up',
    await commitOf(path, await literally(path, 'tree', entry('40000', '..', up))),
  );
  const hook = await literally(path, 'tree', entry('100755', 'post-checkout', blob));
  const dotgit = await literally(path, 'tree', entry('40000', 'hooks', hook));
  await git(
    'update-ref',
    'refs/heads/dotgit',
    await commitOf(path, await literally(path, 'tree', entry('40000', '.git', dotgit))),
  );
  const projectId = await newProject('dotdot', path);
  for (const baseRef of ['up', 'dotgit']) {
    const failed = await beside(newSession(projectId, { baseRef }));
    expect(failed, baseRef).toMatchObject({
      state: 'failed',
      failure: { code: 'repository_unsuitable', detail: expect.stringContaining('invalid path') },
    });
  }
  const session = await newSession(projectId);
  expect(session.state).toBe('ready');
  const cloned = await clone(projectId, 'up');
  expect(await readdir(cloned)).toEqual(['.git']);
  const found = await run('find', [cluster.stateDirectory, '-name', 'escaped', '-o', '-name', 'post-checkout']);
  expect(found.stdout).toBe('');
});

test('a session that makes such trees itself is kept without them, and its files are', async () => {
  const { path } = await makeRepository(join(cluster.repositoryRoot, 'making-trees'), 5);
  const session = await newSession(await newProject('making-trees', path));
  await output(
    session.id,
    String.raw`set -e; echo ${quoted(trap)} > payload; blob=$(git hash-object -w payload)
    raw() { printf "$1 $2\0"; env printf "$(echo $3 | sed 's/../\\x&/g')"; }
    tree() { raw "$@" | git hash-object -t tree -w --literally --stdin; }
    evil=$(tree 40000 .. $(tree 100755 escaped $blob)); commit=$(git commit-tree -m evil $evil); git update-ref refs/heads/evil $commit
    git cat-file -p evil^{tree} | grep -F ..; echo kept > kept`,
  );
  const checkpoint = await beside(kept(session.id));
  expect((await notKept(session.id, checkpoint)).join()).toContain('repository');
  expect(await filesChanged(session.id)).toBe(2);
  await hibernate(api, session.id);
  expect(await output(session.id, 'cat kept; git log --format=%s')).toBe('kept\nStart\n');
  // And where its repository is said to be elsewhere.
  for (const [index, elsewhere] of ["echo 'gitdir: /etc' > .git", 'ln -s /etc .git', 'ln -s ../../.. .git'].entries()) {
    await output(session.id, `mv .git ~/git-${index}; rm -rf .git; ${elsewhere}; echo ${index} > kept`);
    expect((await beside(kept(session.id))).filesChanged).toBe(1);
  }
});

const bareOf = async (name: string, prepare: (work: string) => Promise<void>): Promise<string> => {
  const { path } = await makeRepository(join(cluster.repositoryRoot, `${name}-work`), 5);
  await prepare(path);
  const bare = join(cluster.repositoryRoot, `${name}.git`);
  await run('git', ['clone', '-q', '--bare', path, bare]);
  return bare;
};

test('a proposal with drivers, filters, replaced commits and options for names is merged as its files are, and runs nothing', async () => {
  const lines = (...changed: [number, string][]) =>
    Array.from({ length: 60 }, (_, n) => `${new Map(changed).get(n) ?? `line ${n}`}\n`).join('');
  const asSomebody = ['-c', 'user.name=t', '-c', 'user.email=t@example.org'];
  let work = '';
  const upstream = await bareOf('merging', async (path) => {
    work = path;
    await writeFile(join(path, 'both'), lines());
    await writeFile(join(path, '.gitattributes'), '* filter=evil diff=evil merge=evil ident\n');
    await run('git', [...asSomebody, 'add', '.'], { cwd: path });
    await run('git', [...asSomebody, 'commit', '-qm', 'Attributes'], { cwd: path });
    await run('git', ['update-ref', 'refs/heads/--upload-pack=id', 'HEAD'], { cwd: path });
  });
  const approval = { requiredApprovals: 0, requiredChecks: ['test "$(sed -n 51p both)" = ours'] };
  const projectId = (await api.make('/v1/projects', { name: 'merging', repository: { url: upstream }, approval })).id;
  for (const baseRef of ['--upload-pack=id', '-x', 'main..main', 'main:both', 'a\nb', 'main^{/x}'])
    expect((await api.post(`/v1/projects/${projectId}/sessions`, { baseRef })).status, baseRef).toBe(422);
  const title = `--upload-pack=${trap}`;
  const session = await newSession(projectId, { title });
  await output(
    session.id,
    `sed -i '51s/.*/ours/' both; git replace HEAD "$(git hash-object -t commit -w --stdin < /dev/null || git rev-parse HEAD)"; ${armed}`,
  );
  await writeFile(join(work, 'both'), lines([0, 'theirs']));
  await run('git', [...asSomebody, '-C', work, '-c', 'core.attributesFile=/dev/null', 'commit', '-qam', '--theirs']);
  await run('git', ['-C', work, 'push', '-q', upstream, 'HEAD:main']);

  for (const [path, body] of [
    [`/v1/projects/${projectId}/sessions`, { title: 'a\0b' }],
    [`/v1/sessions/${session.id}/proposals`, { title: 'two\nlines' }],
    [`/v1/sessions/${session.id}/proposals`, { title: '\u001b]0;x\u0007' }],
    [`/v1/sessions/${session.id}/proposals`, { description: 'a\0b' }],
    [`/v1/sessions/${session.id}/checkpoints`, { label: '\u001b[2J' }],
  ] as const) {
    const refused = await api.post(path, body);
    expect([refused.status, refused.body.errors?.[0]?.path], JSON.stringify(body)).toEqual([422, Object.keys(body)[0]]);
  }
  await api.make(`/v1/sessions/${session.id}/checkpoints`, { label: '--output=/etc/x' });
  const description = '--exec=id\n\nWorktrail-Proposal: ppl_other\nApproved-by: nobody\n---\n\u001b[2J';
  const { id } = await beside(api.make(`/v1/sessions/${session.id}/proposals`, { title, description }));
  const state = async () => (await api.get(`/v1/proposals/${id}`)).body;
  await expect.poll(async () => (await state()).state, { timeout: 180_000, interval: 300 }).toBe('mergeable');
  await api.make(`/v1/proposals/${id}/merge`);
  await expect.poll(async () => (await state()).state, { timeout: 180_000, interval: 300 }).toBe('merged');
  const git = async (...args: string[]) => (await run('git', ['-C', upstream, ...args])).stdout;
  expect(await git('cat-file', 'blob', 'main:both')).toBe(lines([0, 'theirs'], [50, 'ours']));
  expect((await git('log', '-1', '--format=%s', 'main')).trim()).toBe(title.replaceAll(/[<>]/g, ''));
  expect((await git('log', '-1', '--format=%(trailers:key=Worktrail-Proposal,valueonly)', 'main')).trim()).toBe(id);
  expect(await git('log', '-1', '--format=%B', 'main')).not.toMatch(/[\x00-\x08\x0b-\x1f]/);
});

test('a gigabyte of zeros, a tree of a million names and a chain of thousands of deltas hold up nobody', async () => {
  const { path } = await makeRepository(join(cluster.repositoryRoot, 'bombs'), 5);
  const projectId = await newProject('bombs', path);
  const session = await newSession(projectId);
  const bombs = [
    `truncate -s 1G ~/zeros; zeros=$(git -c core.compression=1 hash-object -w ~/zeros); rm ~/zeros
    git update-ref refs/heads/zeros "$(git commit-tree -m zeros "$(printf '100644 blob %s\\tzeros\\n' "$zeros" | git mktree)")"`,
    `blob=$(echo x | git hash-object -w --stdin); names=$(seq -f "100644 blob $blob	n%07.0f" 1000000 | git mktree --missing)
    git update-ref refs/heads/names "$(git commit-tree -m names "$names")"`,
    `awk 'BEGIN { for (n = 0; n < 200; n++) text = text n "\\n"; for (n = 1; n <= 3000; n++) { data = text n "\\n"
      printf "commit refs/heads/chain\\ncommitter c <c@example.org> %d +0000\\ndata 1\\nc\\nM 100644 inline f\\ndata %d\\n%s\\n", n, length(data), data } }' |
      git fast-import --quiet --depth=4000`,
  ];
  for (const bomb of bombs) await beside(output(session.id, `set -e; ${bomb}`));
  await output(session.id, 'echo kept > kept');
  const checkpoint = await beside(kept(session.id));
  expect(checkpoint.filesChanged).toBe(1);
  await beside(hibernate(api, session.id));
  const [fork] = (await api.make(`/v1/sessions/${session.id}/fork`)).items;
  expect(await beside(output(fork.id, 'cat kept; git log --format=%s -1'))).toBe('kept\nStart\n');
  expect((await api.get(`/v1/sessions/${session.id}/diff`)).body.files).toHaveLength(1);
  expect(await readdir(await clone(projectId, session.branch))).toEqual(['.git']);
}, 900_000);

test('submodules with a carriage return in their path, options as addresses and links as directories open, are kept, and run nothing', async () => {
  const { path } = await makeRepository(join(cluster.repositoryRoot, 'submodules'), 5);
  const git = async (...args: string[]) =>
    (await run('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.org', ...args], { cwd: path })).stdout.trim();
  const head = await git('rev-parse', 'HEAD');
  const modules = [
    `[submodule "one"]\n\tpath = "sub\r"\n\turl = "ext::sh -c ${trap}"\n`,
    `[submodule "command"]\n\tpath = --upload-pack=id\n\turl = /\n\tupdate = !${trap}\n`,
    `[submodule "two"]\n\tpath = --upload-pack=id\n\turl = --upload-pack=touch${mark}\n`,
    `[submodule "../../escaping"]\n\tpath = linked/sub\n\turl = ../../..\n`,
  ].join('');
  const blob = await literally(path, 'blob', Buffer.from(modules));
  const link = await literally(path, 'blob', Buffer.from('.git/hooks'));
  const stage = (mode: string, id: string, name: string) => git('update-index', '--add', '--cacheinfo', mode, id, name);
  await stage('100644', blob, '.gitmodules');
  await stage('160000', head, 'sub\r');
  await stage('160000', head, '--upload-pack=id');
  await stage('120000', link, 'sub');
  await git('commit', '-qm', 'Submodules');
  const projectId = await newProject('submodules', path);
  const session = await beside(newSession(projectId));
  expect(session.state).toBe('ready');
  await output(session.id, 'git submodule init; git submodule update --recursive; echo changed > changed; true');
  await beside(kept(session.id));
  await hibernate(api, session.id);
  expect(await output(session.id, 'cat changed; readlink sub; git ls-files -s | grep -c ^160000')).toBe(
    'changed\n.git/hooks\n2\n',
  );
  const cloned = await clone(projectId, session.branch);
  expect((await run('git', ['ls-tree', '-r', 'HEAD'], { cwd: cloned })).stdout).toContain('"sub\\r"');
});

test('a file of 2 GB that holds nothing is named and not stored, beside others that are', async () => {
  const { path } = await makeRepository(join(cluster.repositoryRoot, 'sparse'), 5);
  const session = await newSession(await newProject('sparse', path));
  await output(session.id, 'truncate -s 2G sparse; echo kept > kept');
  const checkpoint = await beside(kept(session.id));
  expect(await notKept(session.id, checkpoint)).toEqual(['1 file over 100 MiB: sparse']);
  expect(checkpoint.filesChanged).toBe(1);
  const files = (await api.get(`/v1/sessions/${session.id}/files?at=${checkpoint.id}`)).body.items;
  expect(files.map(({ name }: { name: string }) => name)).toEqual(['README.md', 'kept', 'src']);
  const stored = join(cluster.stateDirectory, 'runner', 'sessions', session.id);
  const { stdout } = await run('du', ['-sk', '--apparent-size', join(stored, 'store.git'), join(stored, 'bundles')]);
  for (const line of stdout.trim().split('\n')) expect(Number(line.split('\t')[0])).toBeLessThan(1_024);
}, 300_000);

test('a hundred thousand files that git does not know are kept, and nobody waits for it', async () => {
  const { path } = await makeRepository(join(cluster.repositoryRoot, 'many'), 5);
  const session = await newSession(await newProject('many', path));
  const make = `awk 'BEGIN { for (d = 0; d < 100; d++) { system("mkdir -p many/" d); for (n = 0; n < 1000; n++)
    { f = "many/" d "/" n; print d, n > f; close(f) } } }'`;
  await beside(output(session.id, make));
  const checkpoint = await beside(kept(session.id));
  const files = await inStore(session.id, 'ls-tree', '-r', '--name-only', checkpoint.commit, 'many/');
  expect(files.match(/\n/g)).toHaveLength(100_000);
  // One that was being written when the session made a checkpoint by itself is changed twice.
  expect(await filesChanged(session.id)).toBeGreaterThanOrEqual(100_000);
  expect(await notKept(session.id, checkpoint)).toEqual([]);
}, 900_000);
