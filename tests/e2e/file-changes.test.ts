// A person or a program changes a session's files by the API, in order with what else happens to it, and its history says who did.

import { join } from 'node:path';
import { beforeAll, expect, inject, test } from 'vitest';
import { createApi, hibernate, readHistory } from './api.ts';
import { makeRepository } from './repository.ts';

const api = createApi(inject('apiUrl'), inject('apiKey'));
let projectId: string;

beforeAll(async () => {
  const repositoryPath = (await makeRepository(join(inject('repositoryRoot'), 'file-changes'), 20)).path;
  projectId = (await api.make('/v1/projects', { name: 'file-changes', repository: { url: repositoryPath } })).id;
});

const newSession = () => api.make(`/v1/projects/${projectId}/sessions?waitSeconds=280`, { title: 'Written to' });
const at = (sessionId: string, path: string) => `/v1/sessions/${sessionId}/files/${path}`;
const put = (sessionId: string, path: string, bytes: Uint8Array | string, headers = {}) =>
  api.request('PUT', at(sessionId, path), bytes, headers);
const remove = (sessionId: string, path: string, headers = {}) =>
  api.request('DELETE', at(sessionId, path), undefined, headers);

async function run(sessionId: string, command: string): Promise<string> {
  const ended = await api.make(`/v1/sessions/${sessionId}/commands?waitSeconds=280`, { command, stdin: '' });
  return ended.output.text;
}

test('a file is written, read back byte for byte, written over only as it was seen, and deleted', async () => {
  const { id } = await newSession();
  const bytes = Buffer.from(Array.from({ length: 3_000_000 }, (_, index) => (index * 7919) % 256));
  const made = await put(id, 'new/deep/a%20file.bin', bytes, { 'if-none-match': '*' });
  expect(made).toMatchObject({ status: 201, body: { path: 'new/deep/a file.bin', status: 'added', binary: true } });
  const etag = made.headers.get('etag')!;
  const read = await api.bytes(at(id, 'new/deep/a%20file.bin'));
  expect(read.bytes.equals(bytes)).toBe(true);
  expect(read.headers.get('etag')).toBe(etag);
  expect(await put(id, 'new/deep/a%20file.bin', 'x', { 'if-none-match': '*' })).toMatchObject({
    status: 412,
    body: { code: 'precondition_failed' },
  });
  // Sent again with its key it is the same change, though its condition holds no more.
  const once = { 'if-match': etag, 'idempotency-key': 'a change' };
  const write = (text: string) => put(id, 'new/deep/a%20file.bin?executable=true', text, once);
  const written = await write('#!/bin/sh\necho ran\n');
  expect(written).toMatchObject({ status: 200, body: { status: 'modified' } });
  expect(await write('#!/bin/sh\necho ran\n')).toMatchObject({ status: 200, body: written.body });
  expect((await write('another')).body.code).toBe('idempotency_key_reused');
  expect((await put(id, 'new/deep/a%20file.bin', 'x', { 'if-match': etag })).status).toBe(412);
  expect(await run(id, './new/deep/a\\ file.bin; id -un; stat -c %U "new/deep/a file.bin"')).toMatch(
    /^ran\n(.*)\n\1\n$/,
  );
  expect((await put(id, 'empty', '')).status).toBe(201);
  expect((await remove(id, 'new/deep/a%20file.bin', { 'if-match': etag })).status).toBe(412);
  for (const _ of ['first', 'again']) {
    expect((await remove(id, 'new/deep/a%20file.bin', { 'idempotency-key': 'a change' })).status).toBe(204);
  }
  expect((await remove(id, 'new/deep/a%20file.bin')).status).toBe(404);
  expect(await run(id, 'ls -A new/deep; git status --porcelain')).toBe('?? empty\n');

  const me = (await api.get('/v1/me')).body;
  const told = (await readHistory(api, id)).filter(
    ({ type, data }) => type === 'files.changed' && data.source === 'api',
  );
  expect(told.map(({ data }) => [data.files[0].path, data.files[0].status])).toEqual([
    ['new/deep/a file.bin', 'added'],
    ['new/deep/a file.bin', 'modified'],
    ['empty', 'added'],
    ['new/deep/a file.bin', 'deleted'],
  ]);
  expect(told[0]).toMatchObject({ actor: { kind: 'user', id: me.principal.id } });
});

test('a session that sleeps is woken for it, and a revert takes it back', async () => {
  const { id } = await newSession();
  const first = await api.make(`/v1/sessions/${id}/checkpoints`, {});
  await hibernate(api, id);
  expect(await put(id, 'README.md', 'written\n')).toMatchObject({ status: 200, body: { status: 'modified' } });
  expect(await run(id, 'cat README.md')).toBe('written\n');
  expect(await api.make(`/v1/sessions/${id}/revert`, { checkpointId: first.id })).toMatchObject({ exact: true });
  expect(await run(id, 'git status --porcelain')).toBe('');
});

test('nothing outside of the work tree is written or deleted, and what is no file is refused by name', async () => {
  const { id } = await newSession();
  await run(id, 'mkdir -p ~/far directory; echo far > ~/far/x; ln -s ~/far link; ln -s ~/far/x file-link; mkfifo pipe');
  for (const path of ['%2e%2e/x', '..%2fx', '.git/config', 'a/.git/hooks/x', '%2fetc/passwd', 'a//b', 'a%00b']) {
    for (const answer of [await put(id, path, 'x'), await remove(id, path)]) {
      expect([404, 422]).toContain(answer.status);
    }
  }
  for (const path of ['link/x', 'link/new', 'directory', 'pipe', 'README.md/x']) {
    expect((await put(id, path, 'x')).status).toBe(409);
    expect([404, 409]).toContain((await remove(id, path)).status);
  }
  expect((await put(id, 'file-link', 'x')).status).toBe(409);
  expect(await run(id, 'cat ~/far/x; ls ~/far; ls -A . | grep worktrail')).toBe('far\nx\n');
  const large = await put(id, 'large', Buffer.alloc(10 * 1024 * 1024 + 1));
  expect(large).toMatchObject({ status: 413, body: { code: 'body_too_large' } });
  expect(await put(id, 'a', 'x', { 'if-match': 'x' })).toMatchObject({
    status: 422,
    body: { errors: [{ path: 'If-Match' }] },
  });
});

test('many writes of one session at once are all made', async () => {
  const { id } = await newSession();
  const answers = await Promise.all(Array.from({ length: 24 }, (_, index) => put(id, `many/${index}`, `${index}`)));
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 201));
  expect(await run(id, 'cat many/* | wc -c')).toBe('38\n');
});
