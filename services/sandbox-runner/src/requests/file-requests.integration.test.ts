import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, rename } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { CheckpointRef } from '@worktrail/contract/checkpoints';
import {
  type DiffFiles,
  fileHeaders,
  type FileListing,
  readAtHeader,
  type SessionFilesRef,
} from '@worktrail/contract/session-files';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createCheckpointBench, type CheckpointBench, type TriedSession } from '../checkpoints/checkpoint-bench.ts';
import { createLiveFiles } from '../files/live-files.ts';
import { openSessionReading, type SessionReading } from '../files/session-reading.ts';
import { log, type RunnerBench, startRunnerBench } from '../runner-bench.ts';
import { diffRoutes } from './diff-requests.ts';
import { fileRoutes } from './file-requests.ts';
import { createRequestRouter } from './request-router.ts';
import { startAsChild } from '../host/program-start.ts';

const token = 'the-internal-token-of-this-integration-test';
let bench: RunnerBench;
let tried: CheckpointBench;
let reading: SessionReading;
let server: Server;
let dataDirectory: string;
const sessions: TriedSession[] = [];

beforeAll(async () => {
  bench = await startRunnerBench('file-requests');
  tried = createCheckpointBench(bench);
  dataDirectory = join(bench.path, 'reader');
  const { directories, mirrors, sandboxes } = bench.parts();
  reading = await openSessionReading({
    dataDirectory,
    sessionPath: (sessionId) => directories.at(sessionId).path,
    artifacts: {
      get: tried.artifacts.get,
      find: async (name) => sessions.flatMap(({ bundles }) => bundles).find((bundle) => bundle.name === name),
    },
    mirrors,
    diskReserveBytes: 0,
    start: startAsChild,
    clock: Date.now,
  });
  const routes = [
    ...diffRoutes({ reading }),
    ...fileRoutes({ reading, live: createLiveFiles(), sandboxes, directories }),
  ];
  const router = createRequestRouter(routes, { token, log, stopping: new AbortController().signal });
  server = createServer((request, response) => void router(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await reading.close();
  await bench.close();
});

async function open(): Promise<TriedSession> {
  const session = await tried.open();
  sessions.push(session);
  return session;
}

const refOf = ({ input, opened, bundles }: TriedSession): SessionFilesRef => ({
  ...{ organizationId: input.organizationId, projectId: input.projectId },
  ...{ sessionId: input.sessionId, generation: input.generation },
  ...{ repository: input.repository, baseCommit: opened.baseCommit, artifacts: bundles.map(({ name }) => name) },
});

function post(session: TriedSession, what: string, body: object, signal?: AbortSignal): Promise<Response> {
  const { port } = server.address() as AddressInfo;
  return fetch(`http://127.0.0.1:${port}/internal/v1/sessions/${session.input.sessionId}/${what}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify({ session: refOf(session), ...body }),
    ...(signal && { signal }),
  });
}

const at = (session: TriedSession): CheckpointRef | null => session.checkpoints.at(-1) ?? null;

async function list(session: TriedSession, more: object = {}): Promise<FileListing & { at: string | null }> {
  const asked = { live: true, at: at(session), path: '', limit: 100, after: null, ...more };
  const response = await post(session, 'files/list', asked);
  if (!response.ok) throw new Error(await response.text());
  return { ...((await response.json()) as FileListing), at: response.headers.get(readAtHeader) };
}

const read = (session: TriedSession, path: string, more: object = {}, signal?: AbortSignal) =>
  post(session, 'files/read', { live: true, at: at(session), path, offset: 0, length: 1e9, ...more }, signal);

const refusal = async (response: Response) => [response.status, ((await response.json()) as { code: string }).code];

/** What is left of commands in the run directory. */
const leftOver = async ({ path }: TriedSession) =>
  (await Promise.all(['requests', 'journals'].map((part) => readdir(join(path, 'run', part))))).flat();

test('an open session is read as it is now, what git ignores too, and nothing is left of the reading', async () => {
  const session = await open();
  await session.run(`echo ignored > .gitignore; echo i > ignored; printf '#!/bin/sh' > run; chmod 755 run; ln -s src link
    mkdir -p 'a dir/deep'; echo x > 'a dir/deep/-file'; git init -q nested; printf 1 > "$(printf 'not-\\377')"; printf 2 > "$(printf 'new\\nline')"; mkfifo pipe`);
  const { items, at: readAt } = await list(session);
  expect(readAt).toBe('live');
  const types = Object.fromEntries(items.map(({ name, type, executable }) => [name, executable ? `${type}*` : type]));
  expect(types).toEqual({
    ...{
      '.gitignore': 'file',
      ignored: 'file',
      run: 'file*',
      link: 'symlink',
      'a dir': 'directory',
      nested: 'submodule',
    },
    ...{ 'not-\\xff': 'file', 'new\\x0aline': 'file', 'README.md': 'file', src: 'directory' },
  });
  expect((await list(session, { path: 'a dir/deep' })).items).toMatchObject([{ path: 'a dir/deep/-file', size: 2 }]);
  const paged: string[] = [];
  for (let after: string | null = null, more = true; more; more = after !== null) {
    const page = await list(session, { limit: 2, after });
    paged.push(...page.items.map(({ name }) => name));
    after = page.next;
  }
  expect(paged).toEqual(items.map(({ name }) => name));
  const file = await read(session, 'a dir/deep/-file');
  const blob = (await session.run("git hash-object 'a dir/deep/-file'")).trim();
  expect([file.status, file.headers.get(fileHeaders.blob), await file.text()]).toEqual([200, blob, 'x\n']);
  for (const [path, expected] of [
    ['link', [409, 'conflict']],
    ['link/index.js', [409, 'conflict']],
    ['src', [409, 'conflict']],
    ['pipe', [409, 'conflict']],
    ['nope', [404, 'not_found']],
    ['run/x', [404, 'not_found']],
    ['../x', [422, 'validation_failed']],
    ['.git/config', [422, 'validation_failed']],
  ] as const) {
    expect([path, await refusal(await read(session, path))]).toEqual([path, expected]);
  }
  expect(await leftOver(session)).toEqual([]);
});

test('a large file comes whole, or any range of it; who leaves half way leaves nothing running', async () => {
  const session = await open();
  await session.run('head -c 40000000 /dev/urandom > large; mkdir many; cd many; seq 1 3000 | xargs touch');
  const digest = (await session.run('sha256sum < large')).slice(0, 64);
  const whole = Buffer.from(await (await read(session, 'large')).arrayBuffer());
  const { createHash } = await import('node:crypto');
  expect([whole.length, createHash('sha256').update(whole).digest('hex')]).toEqual([40_000_000, digest]);
  for (const [offset, length] of [
    [39_999_990, 100],
    [-7, 100],
    [20_000_000, 1_000_000],
  ] as const) {
    const part = await read(session, 'large', { offset, length });
    const from = offset < 0 ? whole.length + offset : offset;
    expect(part.headers.get(fileHeaders.offset)).toBe(String(from));
    expect(Buffer.from(await part.arrayBuffer()).equals(whole.subarray(from, from + length))).toBe(true);
  }
  expect(
    (await list(session, { path: 'many', limit: 1_000, after: Buffer.from('1999').toString('base64url') })).items,
  ).toHaveLength(1_000);
  const leaving = new AbortController();
  const left = await read(session, 'large', {}, leaving.signal);
  await left.body!.getReader().read();
  leaving.abort();
  await expect.poll(() => leftOver(session)).toEqual([]);
  const processes = "cat /proc/[0-9]*/comm | grep -cxE 'tail|head'";
  await expect.poll(() => session.run(processes)).toBe('0\n');
});

test('a file that changes while it is read is not given as one', async () => {
  const session = await open();
  await session.run('head -c 30000000 /dev/zero > growing');
  const response = await read(session, 'growing');
  const reader = response.body!.getReader();
  await reader.read();
  await session.run('echo more >> growing');
  const rest = (async () => {
    while (!(await reader.read()).done);
  })();
  await expect(rest).rejects.toThrow();
});

test('changes and files of checkpoints are the same from the own store and, where nothing of the session is here, from its bundles', async () => {
  const session = await open();
  await session.run(
    `git mv README.md READ.md; chmod +x src/index.js; head -c 1000 /dev/urandom > binary; printf x > "$(printf 'n\\377')"`,
  );
  await session.kept();
  const [first] = session.checkpoints;
  await session.run('echo later > later; rm binary');
  await session.kept();
  const ask = async () => {
    const files = async (from: CheckpointRef | null, to: CheckpointRef | null) =>
      (await (await post(session, 'diff/files', { from, to })).json()) as DiffFiles;
    const patch = await post(session, 'diff/patch', { from: null, to: at(session) });
    const asleep = { live: false, at: first };
    return {
      all: await files(null, at(session)),
      step: await files(first!, at(session)),
      back: await files(at(session), null),
      patch: await patch.text(),
      listed: (await list(session, asleep)).items,
      binary: Buffer.from(await (await read(session, 'binary', asleep)).arrayBuffer()).toString('base64'),
      gone: await refusal(await read(session, 'binary', { live: false })),
    };
  };
  const own = await ask();
  expect(own.all.files).toContainEqual(
    expect.objectContaining({ path: 'READ.md', oldPath: 'README.md', status: 'renamed' }),
  );
  expect(own.all.files).toContainEqual(expect.objectContaining({ path: 'src/index.js', status: 'mode_changed' }));
  expect(own.step.files.map(({ path, status }) => `${status} ${path}`)).toEqual(['deleted binary', 'added later']);
  expect(own.gone).toEqual([404, 'not_found']);
  expect(existsSync(join(dataDirectory, 'reading'))).toBe(false);

  const store = join(session.path, 'store.git');
  await rename(store, `${store}.away`);
  const [one, two] = await Promise.all([ask(), ask()]);
  expect(one).toEqual(own);
  expect(two).toEqual(own);
  expect(await readdir(join(dataDirectory, 'reading'))).toEqual([session.input.sessionId]);
  expect(existsSync(store)).toBe(false);
  // A copy of no use is made anew.
  const copy = join(dataDirectory, 'reading', session.input.sessionId, 'store.git', 'objects', 'pack');
  for (const name of await readdir(copy)) await rename(join(copy, name), join(copy, `${name}.x`));
  expect(await ask()).toEqual(own);
  await rename(`${store}.away`, store);
});

test("the sandbox of another generation is not read: the newest checkpoint's files are", async () => {
  const session = await open();
  await session.run('echo kept > kept');
  await session.kept();
  await session.run('echo later > later');
  const other = { ...refOf(session), generation: 2 };
  const listing = await list(session, { session: other });
  expect(listing.at).toBe(at(session)!.id);
  expect(listing.items.map(({ name }) => name)).not.toContain('later');
});
