// A session's changes and files over the public API: as of now, of a checkpoint, and while it sleeps.

import { execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import Docker from 'dockerode';
import { beforeAll, expect, inject, test } from 'vitest';
import { createApi, fetchAgain, hibernate, readHistory } from './api.ts';
import { makeRepository } from './repository.ts';

const run = promisify(execFile);
const key = inject('apiKey');
const api = createApi(inject('apiUrl'), key);
const docker = new Docker({ socketPath: inject('dockerSocket') });
let repository: { path: string; commit: string };
let projectId: string;

beforeAll(async () => {
  repository = await makeRepository(join(inject('repositoryRoot'), 'diff-and-files'), 60);
  projectId = (await api.make('/v1/projects', { name: 'diff-and-files', repository: { url: repository.path } })).id;
});

const newSession = () => api.make(`/v1/projects/${projectId}/sessions?waitSeconds=280`, { title: 'Changes' });

async function exec(sessionId: string, command: string): Promise<string> {
  const ran = await api.make(`/v1/sessions/${sessionId}/commands?waitSeconds=280`, { command, stdin: '' });
  if (ran.exitCode !== 0) throw new Error(`${command}: ${JSON.stringify(ran)}`);
  return ran.output.text;
}

/** As of now: a checkpoint may take longer than one request waits for it, and then the answer says so. */
const diff = async (sessionId: string, query = '') => {
  for (let tries = 1; ; tries += 1) {
    const answer = await api.get(`/v1/sessions/${sessionId}/diff${query}`);
    if (answer.status !== 200) throw new Error(JSON.stringify(answer.body));
    if (answer.body.upToDate !== false || tries === 5) return answer.body;
  }
};

const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
  fetchAgain(`${api.url}${path}`, { method, headers: { authorization: `Bearer ${key}`, ...headers } });

const file = (sessionId: string, path: string, headers: Record<string, string> = {}, method = 'GET') =>
  get(`/v1/sessions/${sessionId}/files/${path}`, headers, method);

/** The tree that the patch makes of the base, by the machine's own git in a clone. */
async function treeOfPatch(patch: Buffer): Promise<string> {
  const clone = join(inject('repositoryRoot'), `clone-${randomUUID()}`);
  const git = async (...args: string[]) => (await run('git', ['-C', clone, ...args])).stdout.trim();
  await run('git', ['clone', '-q', repository.path, clone]);
  await git('checkout', '-q', repository.commit);
  await writeFile(`${clone}.patch`, patch);
  await git('apply', '--index', `${clone}.patch`);
  return git('write-tree');
}

test('what a command has just changed is in the diff, and its patch makes the very tree of the checkpoint', async () => {
  const session = await newSession();
  await exec(
    session.id,
    `git mv src/1/file-1.txt 'moved here.txt'; echo more >> 'moved here.txt'; sed -i 3d src/2/file-2.txt; rm src/3/file-3.txt
     chmod +x src/4/file-4.txt; head -c 3000 /dev/urandom > binary; ln -s src link; : > empty; printf 'a\\r\\nb' > crlf
     printf 'latin-\\351' > latin; printf x > "$(printf 'not-\\377-utf8')"; printf y > "$(printf 'new\\nline')"; mkdir -p 'a dir'; echo z > 'a dir/"z"'
     git -c user.name=a -c user.email=a@example.org commit -qam 'Some of it'`,
  );
  const found = await diff(session.id);
  expect(found).toMatchObject({ truncated: false, filesTruncated: false, upToDate: true, patchIsExact: false });
  expect(found.from).toEqual({ checkpointId: null, commit: repository.commit });
  const of = Object.fromEntries(found.files.map((one: any) => [one.path, one]));
  expect(of['moved here.txt']).toMatchObject({ status: 'renamed', oldPath: 'src/1/file-1.txt', additions: 1 });
  expect(of['src/2/file-2.txt']).toMatchObject({ status: 'modified', additions: 0, deletions: 1, binary: false });
  expect(of['src/3/file-3.txt']).toMatchObject({ status: 'deleted', deletions: 20 });
  expect(of['src/4/file-4.txt']).toMatchObject({ status: 'mode_changed', additions: 0, deletions: 0 });
  expect(of['binary']).toMatchObject({ status: 'added', binary: true });
  expect(Object.keys(of)).toEqual(
    expect.arrayContaining(['link', 'empty', 'not-\\xff-utf8', 'new\\x0aline', 'a dir/"z"']),
  );
  const patch = await get(`/v1/sessions/${session.id}/diff`, { accept: 'text/x-diff' });
  expect(patch.headers.get('content-type')).toBe('text/x-diff');
  const { items } = (await api.get(`/v1/sessions/${session.id}/checkpoints`)).body;
  expect(found.to).toEqual({ checkpointId: items.at(-1).id, commit: items.at(-1).commit });
  expect(await treeOfPatch(Buffer.from(await patch.arrayBuffer()))).toBe(items.at(-1).tree);

  // Nothing has changed since: nothing is made by looking.
  await diff(session.id);
  expect((await api.get(`/v1/sessions/${session.id}/checkpoints`)).body.items).toEqual(items);
});

test('between checkpoints in either direction, and refused for what is none', async () => {
  const session = await newSession();
  const path = `/v1/sessions/${session.id}/checkpoints`;
  await exec(session.id, 'echo one > one');
  const first = await api.make(path, { label: 'one' });
  await exec(session.id, 'echo two > two');
  const second = await api.make(path, { label: 'two' });
  await exec(session.id, 'rm one');
  const names = async (query: string) =>
    (await diff(session.id, query)).files.map(({ path: name, status }: any) => `${status} ${name}`);
  expect(await names(`?from=${first.id}&to=${second.id}`)).toEqual(['added two']);
  expect(await names(`?from=${second.id}&to=${first.id}`)).toEqual(['deleted two']);
  expect(await names(`?from=${second.id}`)).toEqual(['deleted one']);
  expect(await names(`?to=${first.id}&patch=false`)).toEqual(['added one']);
  const other = await newSession();
  for (const [query, status, code] of [
    ['?from=nonsense', 422, 'validation_failed'],
    [`?from=--output=x`, 422, 'validation_failed'],
    ['?to=chk_01jd0000000000000000000000', 404, 'not_found'],
  ] as const) {
    expect(await api.get(`/v1/sessions/${session.id}/diff${query}`)).toMatchObject({ status, body: { code } });
  }
  expect(await api.get(`/v1/sessions/${other.id}/diff?from=${first.id}`)).toMatchObject({ status: 404 });
});

test('ten thousand changed files are all listed, and their patch is cut at its limit and says so', async () => {
  const session = await newSession();
  const awk = `for (n = 1; n <= 10000; n++) { for (i = n; i <= n + 120; i++) print i > n ""; close(n "") }`;
  await exec(session.id, `mkdir many; cd many; awk 'BEGIN { ${awk} }'`);
  const found = await diff(session.id);
  expect(found.files).toHaveLength(10_000);
  expect(found).toMatchObject({ truncated: true, filesTruncated: false, upToDate: true });
  expect(found.files[9_999]).toMatchObject({ additions: 121 });
  const lines = found.patch.trimEnd().split('\n');
  expect(lines.at(-1)).toMatch(/^# The patch ends here/);
  expect(Buffer.byteLength(found.patch)).toBeLessThan(5.1 * 1024 ** 2);
  await treeOfPatch(Buffer.from(found.patch));
});

test('files are listed and read as they are, by ranges and by their content', async () => {
  const session = await newSession();
  await exec(
    session.id,
    'head -c 30000000 /dev/urandom > large; echo ignored > .gitignore; echo i > ignored; printf "" > empty',
  );
  const digest = (await exec(session.id, 'sha256sum < large')).slice(0, 64);
  const whole = await file(session.id, 'large');
  const bytes = Buffer.from(await whole.arrayBuffer());
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(digest);
  expect(whole.headers.get('content-length')).toBe('30000000');
  const etag = whole.headers.get('etag')!;
  expect(etag).toBe(`"${(await exec(session.id, 'git hash-object large')).trim()}"`);
  for (const [range, from, to] of [
    ['bytes=0-9', 0, 10],
    ['bytes=29999990-', 29_999_990, 30_000_000],
    ['bytes=-5', 29_999_995, 30_000_000],
  ] as const) {
    const part = await file(session.id, 'large', { range });
    expect([part.status, part.headers.get('content-range')]).toEqual([206, `bytes ${from}-${to - 1}/30000000`]);
    expect(Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(from, to))).toBe(true);
  }
  const beyond = await file(session.id, 'large', { range: 'bytes=30000000-' });
  expect([beyond.status, beyond.headers.get('content-range')]).toEqual([416, 'bytes */30000000']);
  expect((await file(session.id, 'large', { 'if-none-match': etag })).status).toBe(304);
  expect((await file(session.id, 'large', { range: 'bytes=0-0', 'if-range': '"other"' })).status).toBe(200);
  await exec(session.id, 'truncate -s 110000000 sparse');
  const tooLarge = await file(session.id, 'sparse');
  expect([tooLarge.status, ((await tooLarge.json()) as { code: string }).code]).toEqual([413, 'body_too_large']);
  const last = await file(session.id, 'sparse', { range: 'bytes=109999999-' });
  expect([last.status, Buffer.from(await last.arrayBuffer())]).toEqual([206, Buffer.from([0])]);
  await exec(session.id, 'rm sparse');
  const head = await file(session.id, 'large', {}, 'HEAD');
  expect([head.status, head.headers.get('etag'), (await head.arrayBuffer()).byteLength]).toEqual([200, etag, 0]);
  expect(await (await file(session.id, 'empty')).text()).toBe('');
  const { items } = (await api.get(`/v1/sessions/${session.id}/files?limit=200`)).body;
  expect(items.map(({ name }: any) => name)).toEqual(['.gitignore', 'README.md', 'empty', 'ignored', 'large', 'src']);
  const page = (await api.get(`/v1/sessions/${session.id}/files?limit=2`)).body;
  expect(page.items.map(({ name }: any) => name)).toEqual(['.gitignore', 'README.md']);
  const next = (await api.get(`/v1/sessions/${session.id}/files?limit=2&cursor=${page.nextCursor}`)).body;
  expect(next.items.map(({ name }: any) => name)).toEqual(['empty', 'ignored']);
  const nested = (await api.get(`/v1/sessions/${session.id}/files?path=src/1`)).body;
  expect(nested.items[0]).toEqual({
    ...{ name: 'file-1.txt', path: 'src/1/file-1.txt', type: 'file', size: 140, executable: false },
  });
});

test('no path and no link leads out of the work tree', async () => {
  const session = await newSession();
  await exec(
    session.id,
    'ln -s /etc/passwd out; ln -s / root; ln -s src inside; mkfifo pipe; printf x > "$(printf "%s" "-rf")"',
  );
  for (const [path, status, code] of [
    ['out', 409, 'conflict'],
    ['root/etc/passwd', 409, 'conflict'],
    ['inside/1/file-1.txt', 409, 'conflict'],
    ['pipe', 409, 'conflict'],
    ['src', 409, 'conflict'],
    ['..%2f..%2fetc%2fpasswd', 422, 'validation_failed'],
    ['src%2f..%2f..%2fx', 422, 'validation_failed'],
    ['%2fetc%2fpasswd', 422, 'validation_failed'],
    ['.git/config', 422, 'validation_failed'],
    ['src/.git', 422, 'validation_failed'],
    ['a%00b', 422, 'validation_failed'],
    ['nope', 404, 'not_found'],
    ['$(id)', 404, 'not_found'],
  ] as const) {
    const answer = await file(session.id, path);
    const body = (await answer.json()) as { code: string };
    expect([path, answer.status, body.code]).toEqual([path, status, code]);
  }
  expect(await (await file(session.id, '-rf')).text()).toBe('x');
  for (const path of ['out', 'root', '../..', '/etc', '.git', 'nope', 'README.md']) {
    const { status } = await api.get(`/v1/sessions/${session.id}/files?path=${encodeURIComponent(path)}`);
    expect([path, status]).toEqual([path, status === 404 ? 404 : status]);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
  }
  const links = (await api.get(`/v1/sessions/${session.id}/files`)).body.items.filter(
    ({ type }: any) => type === 'symlink',
  );
  expect(links.map(({ name }: any) => name)).toEqual(['inside', 'out', 'root']);
});

test('a session that sleeps is read without being woken, and so is each of its checkpoints', async () => {
  const session = await newSession();
  await exec(session.id, 'echo first > file; head -c 2000000 /dev/urandom > large');
  const first = await api.make(`/v1/sessions/${session.id}/checkpoints`, {});
  const digest = (await exec(session.id, 'echo second > file; sha256sum < large')).slice(0, 64);
  const awake = await diff(session.id);
  await hibernate(api, session.id);
  const history = await readHistory(api, session.id);

  const asleep = await diff(session.id);
  expect({ ...asleep, to: {} }).toEqual({ ...awake, to: {} });
  const second = await file(session.id, 'file');
  expect(await second.text()).toBe('second\n');
  expect(second.headers.get('x-worktrail-at')).toBe(asleep.to.checkpointId);
  expect(await (await file(session.id, `file?at=${first.id}`)).text()).toBe('first\n');
  expect((await file(session.id, 'file?at=base')).status).toBe(404);
  const part = Buffer.from(await (await file(session.id, 'large', { range: 'bytes=1000-1999' })).arrayBuffer());
  const large = Buffer.from(await (await file(session.id, 'large')).arrayBuffer());
  expect(createHash('sha256').update(large).digest('hex')).toBe(digest);
  expect(part.equals(large.subarray(1_000, 2_000))).toBe(true);
  const { items } = (await api.get(`/v1/sessions/${session.id}/files?at=${first.id}`)).body;
  expect(items.map(({ name }: any) => name)).toEqual(['README.md', 'file', 'large', 'src']);

  expect((await api.get(`/v1/sessions/${session.id}`)).body.state).toBe('hibernated');
  const filters = { label: [`worktrail.session=${session.id}`] };
  expect(await docker.listContainers({ all: true, filters })).toEqual([]);
  expect(await readHistory(api, session.id)).toEqual(history);
  await api.make(`/v1/sessions/${session.id}/archive`);
  expect((await diff(session.id)).files).toEqual(awake.files);
});
