// Forks through the public API: many at once, quickly made, each with the files of then, none with another's; and one history.

import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { beforeAll, expect, inject, test } from 'vitest';
import { createApi, followEvents, hibernate, type PublicEvent, readHistory } from './api.ts';
import { makeRepository } from './repository.ts';

const key = inject('apiKey');
const api = createApi(inject('apiUrl'), key);
let projectId: string;

beforeAll(async () => {
  const { path } = await makeRepository(join(inject('repositoryRoot'), `fork-${randomUUID()}`), 40);
  projectId = (await api.make('/v1/projects', { name: 'fork', repository: { url: path } })).id;
});

const newSession = (fields = {}) => api.make(`/v1/projects/${projectId}/sessions?waitSeconds=280`, fields);
const run = async (sessionId: string, command: string) => {
  const path = `/v1/sessions/${sessionId}/commands?waitSeconds=280`;
  const ended = await api.make(path, { command, stdin: '' });
  expect(ended).toMatchObject({ state: 'ended', outcome: 'exited', exitCode: 0 });
  return ended.output.text as string;
};
const fork = async (sessionId: string, body = {}) => (await api.make(`/v1/sessions/${sessionId}/fork`, body)).items;
const files = 'find . -path ./.git -prune -o -type f -print0 | sort -z | xargs -0 sha256sum; git status --porcelain';

test('sixteen forks of an earlier checkpoint are made in one request, each with the files of then and none with another’s', async () => {
  const parent = await newSession({ title: 'Parent', labels: { team: 'a' }, env: { GREETING: 'hello' } });
  await run(
    parent.id,
    'git rm -q src/1/file-1.txt && git commit -qm gone && echo then > file && mkdir d && echo x > d/new',
  );
  const checkpoint = await api.make(`/v1/sessions/${parent.id}/checkpoints`, { label: 'then' });
  const then = await run(parent.id, files);
  await run(parent.id, 'echo later > file; rm -r d; echo untracked > later');
  const history = await readHistory(api, parent.id);

  const startedMs = Date.now();
  const headers = { 'idempotency-key': randomUUID() };
  const body = { checkpointId: checkpoint.id, count: 16 };
  const answer = await api.post(`/v1/sessions/${parent.id}/fork`, body, headers);
  const elapsedMs = Date.now() - startedMs;
  expect(answer.status).toBe(201);
  const forks = answer.body.items as { id: string; branch: string }[];
  expect(new Set(forks.map(({ id }) => id)).size).toBe(16);
  expect(new Set(forks.map(({ branch }) => branch)).size).toBe(16);
  for (const one of forks) {
    expect(one).toMatchObject({
      ...{ state: 'hibernated', projectId, runner: null, labels: { team: 'a' }, baseCommit: parent.baseCommit },
      fork: { sessionId: parent.id, checkpointId: checkpoint.id },
    });
  }
  expect(elapsedMs).toBeLessThan(5_000);
  expect((await api.post(`/v1/sessions/${parent.id}/fork`, body, headers)).body).toEqual(answer.body);
  const listed = (await api.get(`/v1/projects/${projectId}/sessions?state=hibernated&limit=200`)).body.items;
  for (const { id } of forks) expect(listed.map((one: any) => one.id)).toContain(id);

  const seen = await Promise.all(
    forks.map(({ id }, index) =>
      run(id, `${files}; echo fork ${index} > mine; git branch --show-current; echo $GREETING`),
    ),
  );
  for (const [index, text] of seen.entries()) expect(text).toBe(`${then}${forks[index]!.branch}\nhello\n`);
  const mine = await Promise.all(forks.map(({ id }) => run(id, 'cat mine file; test ! -e later')));
  expect(mine).toEqual(forks.map((_, index) => `fork ${index}\nthen\n`));
  expect(await run(parent.id, 'cat file later; test ! -e mine')).toBe('later\nuntracked\n');

  const at = history.findIndex(({ cursor }) => cursor === checkpoint.cursor);
  const own = await readHistory(api, forks[0]!.id, 7);
  expect(own.slice(0, at + 1)).toEqual(history.slice(0, at + 1));
  const after = own.slice(at + 1);
  expect(new Set(after.map(({ sessionId }) => sessionId))).toEqual(new Set([forks[0]!.id]));
  const types = ['session.created', 'session.forked', 'session.hibernated'];
  expect(after.slice(0, 3).map(({ type }) => type)).toEqual(types);
  expect(own.map(({ cursor }) => cursor)).toEqual([...new Set(own.map(({ cursor }) => cursor))]);
  const told = (await readHistory(api, parent.id)).filter(({ type }) => type === 'session.forked');
  expect(told.map(({ data }) => data['sessionIds'])).toEqual([forks.map(({ id }) => id)]);
  await Promise.all(forks.map(({ id }) => api.make(`/v1/sessions/${id}/archive`)));
}, 300_000);

test('a page, a long poll and a stream read the same history of a fork, from the beginning and from any cursor', async () => {
  const parent = await newSession();
  await run(parent.id, 'echo 1 > file');
  const [one] = await fork(parent.id);
  await run(one.id, 'cat file');
  // Asleep, nothing is added between one read and the next.
  await hibernate(api, one.id);
  const history = await readHistory(api, one.id);
  expect(history[0]).toMatchObject({ sessionId: parent.id, type: 'session.created' });
  for (const limit of [1, 3, 50]) expect(await readHistory(api, one.id, limit)).toEqual(history);

  const stop = new AbortController();
  const streamed: PublicEvent[] = [];
  for await (const event of followEvents(api, key, one.id, { signal: stop.signal })) {
    streamed.push(event);
    if (streamed.length === history.length) break;
  }
  stop.abort();
  expect(streamed).toEqual(history);
  const seam = history.findIndex(({ sessionId }) => sessionId === one.id);
  for (const index of [0, seam - 1, seam, history.length - 2]) {
    const { cursor } = history[index]!;
    const page = await api.get(`/v1/sessions/${one.id}/events?after=${cursor}&waitSeconds=280&limit=200`);
    expect(page.body.items).toEqual(history.slice(index + 1));
  }
  const { items } = (await api.get(`/v1/sessions/${one.id}/commands`)).body;
  expect(items.map((command: any) => command.command)).toEqual(['cat file']);
});

test('a fork of a fork, also of a parent that is archived, has what its line has; and each request is checked', async () => {
  const first = await newSession();
  await run(first.id, 'echo 1 > one');
  const early = await api.make(`/v1/sessions/${first.id}/checkpoints`, {});
  const [second] = await fork(first.id);
  await run(second.id, 'echo 2 > two');
  await api.make(`/v1/sessions/${second.id}/checkpoints`, { label: 'second' });
  for (const { id } of [first, second]) await api.make(`/v1/sessions/${id}/archive`);

  const wish = { title: 'Third', env: { NAME: 'third' }, fork: { sessionId: second.id } };
  const third = await api.make(`/v1/projects/${projectId}/sessions`, wish);
  expect(third).toMatchObject({ title: 'Third', state: 'hibernated', fork: { sessionId: second.id } });
  expect(await run(third.id, 'cat one two; echo $NAME; git branch --show-current')).toBe(
    `1\n2\nthird\n${third.branch}\n`,
  );
  const ids = (await readHistory(api, third.id)).map(({ sessionId }) => sessionId);
  expect([...new Set(ids)]).toEqual([first.id, second.id, third.id]);

  const [back] = await fork(second.id, { checkpointId: early.id });
  expect(await run(back.id, 'cat one; ls; git branch --show-current')).toContain(`${back.branch}\n`);
  expect([...new Set((await readHistory(api, back.id)).map(({ sessionId }) => sessionId))]).toEqual([
    first.id,
    back.id,
  ]);
  const numbers = (await api.get(`/v1/sessions/${third.id}/checkpoints`)).body.items.map((one: any) => one.number);
  expect(numbers).toEqual(Array.from(numbers, (_, index) => index + 1));

  const refused = async (path: string, body: object, at: string) => {
    const { status, body: problem } = await api.post(path, body);
    expect([status, problem.code, problem.errors[0].path]).toEqual([422, 'validation_failed', at]);
  };
  const unknown = early.id.replace(/.{8}$/, '00000000');
  await refused(`/v1/sessions/${second.id}/fork`, { checkpointId: unknown }, 'checkpointId');
  await refused(`/v1/sessions/${second.id}/fork`, { checkpointId: 'chk_x' }, 'checkpointId');
  for (const count of [0, 17, 1.5]) await refused(`/v1/sessions/${second.id}/fork`, { count }, 'count');
  const sessions = `/v1/projects/${projectId}/sessions`;
  await refused(sessions, { fork: { sessionId: second.id }, baseRef: 'main' }, 'baseRef');
  await refused(sessions, { fork: { sessionId: early.id.replace('chk', 'ses') } }, 'fork.sessionId');
  await refused(sessions, { fork: { sessionId: second.id, checkpointId: unknown } }, 'fork.checkpointId');
  expect((await api.post(`/v1/sessions/${second.id.replace(/.{8}$/, '00000000')}/fork`, {})).status).toBe(404);
});
