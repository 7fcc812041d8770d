// What a session has against the newest main, and main brought into it.

import { randomUUID } from 'node:crypto';
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, expect, inject, test } from 'vitest';
import { createApi, readHistory } from './api.ts';
import { makeRepository } from './repository.ts';

const api = createApi(inject('apiUrl'), inject('apiKey'));
let path: string;
let projectId: string;

beforeAll(async () => {
  ({ path } = await makeRepository(join(inject('repositoryRoot'), `update-${randomUUID()}`), 10));
  projectId = (await api.make('/v1/projects', { name: 'update', repository: { url: path } })).id;
});

const newSession = () => api.make(`/v1/projects/${projectId}/sessions?waitSeconds=280`);
const run = async (sessionId: string, command: string) =>
  (await api.make(`/v1/sessions/${sessionId}/commands?waitSeconds=280`, { command, stdin: '' })).output.text as string;
const show = async (sessionId: string) => (await api.get(`/v1/sessions/${sessionId}`)).body;
const update = (sessionId: string, body = {}) => api.post(`/v1/sessions/${sessionId}/update`, body);
const updated = (sessionId: string, body = {}) => api.make(`/v1/sessions/${sessionId}/update`, body);

async function push(name: string, text: string): Promise<string> {
  const git = (...args: string[]) =>
    promisify(execFile)('git', ['-C', path, '-c', 'user.name=Test', '-c', 'user.email=test@example.org', ...args]);
  await writeFile(join(path, name), text);
  await git('add', '.');
  await git('commit', '-qm', `Change ${name}`);
  return (await git('rev-parse', 'HEAD')).stdout.trim();
}

test('main is brought in between two checkpoints, and the session shows how far it is ahead and behind', async () => {
  const session = await newSession();
  await run(session.id, 'echo mine > mine; git add mine; git commit -qm mine; echo half > half');
  await api.make(`/v1/sessions/${session.id}/checkpoints`);
  expect(await show(session.id)).toMatchObject({ ahead: 1, behind: 0 });
  const commit = await push('theirs', 'theirs\n');
  expect(await updated(session.id, { method: 'merge' })).toMatchObject({
    ...{ id: session.id, outcome: 'updated', commit, conflicts: [], ahead: 2, behind: 0 },
  });
  expect(await run(session.id, 'cat mine half theirs; git status --porcelain')).toBe('mine\nhalf\ntheirs\n?? half\n');
  expect(await updated(session.id)).toMatchObject({ outcome: 'up_to_date', baseCommit: session.baseCommit });
  const events = await readHistory(api, session.id);
  const at = events.findIndex(({ type }) => type === 'session.updated');
  expect(events[at]!.data).toMatchObject({ method: 'merge', outcome: 'updated', commit, conflicts: [] });
  const labels = events.filter(({ type }) => type === 'checkpoint.created').map(({ data }) => data['label']);
  expect(labels).toEqual(expect.arrayContaining(['before main', 'after main']));
});

test('conflicts are listed by path and left to the session, which is not updated while a command runs', async () => {
  const session = await newSession();
  await run(session.id, 'echo mine > both; git add both; git commit -qm mine');
  await push('both', 'theirs\n');
  const running = await api.make(`/v1/sessions/${session.id}/commands`, { command: 'sleep 600', stdin: '' });
  await expect.poll(async () => (await show(session.id)).state).toBe('busy');
  expect(await update(session.id)).toMatchObject({ status: 409, body: { code: 'session_busy' } });
  await api.post(`/v1/sessions/${session.id}/commands/${running.id}/cancel`);
  await expect.poll(async () => (await show(session.id)).state).toBe('ready');
  const { outcome, conflicts } = await updated(session.id, { method: 'rebase' });
  expect([outcome, conflicts]).toEqual(['conflicts', ['both']]);
  expect(await run(session.id, 'git status --porcelain')).toContain('AA both');
  expect(await update(session.id)).toMatchObject({ status: 409, body: { code: 'conflict' } });
  await run(session.id, 'echo both > both; git add both; GIT_EDITOR=true git rebase --continue');
  expect(await updated(session.id)).toMatchObject({ outcome: 'up_to_date', ahead: 1, behind: 0 });
  expect((await update(session.id, { method: 'squash' })).body.errors[0].path).toBe('method');
});
