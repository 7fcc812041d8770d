// A session can be put back to any of its checkpoints, and forward again: nothing of it is lost, and its history says so.

import { join } from 'node:path';
import { beforeAll, expect, inject, test } from 'vitest';
import { createApi, hibernate, type PublicEvent, readHistory } from './api.ts';
import { makeRepository } from './repository.ts';

const api = createApi(inject('apiUrl'), inject('apiKey'));
let projectId: string;

beforeAll(async () => {
  const repositoryPath = (await makeRepository(join(inject('repositoryRoot'), 'revert'), 20)).path;
  projectId = (await api.make('/v1/projects', { name: 'revert', repository: { url: repositoryPath } })).id;
});

const newSession = () => api.make(`/v1/projects/${projectId}/sessions?waitSeconds=280`, { title: 'Back and forth' });

async function run(sessionId: string, command: string): Promise<string> {
  const ended = await api.make(`/v1/sessions/${sessionId}/commands?waitSeconds=280`, { command, stdin: '' });
  expect(ended).toMatchObject({ state: 'ended', outcome: 'exited' });
  return ended.output.text;
}

const checkpoint = (sessionId: string, label: string) => api.make(`/v1/sessions/${sessionId}/checkpoints`, { label });
const revert = (sessionId: string, body: object) => api.post(`/v1/sessions/${sessionId}/revert`, body);
const reverted = (sessionId: string, body: object, headers = {}) =>
  api.make(`/v1/sessions/${sessionId}/revert`, body, headers);

const everything = `find . -name .git -prune -o -printf '%y %p %l\\n' | sort; find . -name .git -prune -o -type f -print0 | sort -z | xargs -0 sha256sum
  git status --porcelain --ignored; git branch -a; git log --format=%s; git diff --cached`;

test('files, branch and index are as they were, and a revert is reverted like any change', async () => {
  const { id } = await newSession();
  await run(
    id,
    'echo staged > staged; git add staged; echo untracked > untracked; echo "*.log" > .gitignore; echo l > a.log',
  );
  const first = await checkpoint(id, 'first');
  const before = await run(id, everything);
  await run(
    id,
    'git add -A; git commit -qm second; git checkout -qb other; rm untracked README.md; mkdir new; echo x > new/x',
  );
  const changed = await run(id, everything);
  const length = (await readHistory(api, id)).length;

  const key = { 'idempotency-key': 'revert-once' };
  const made = await reverted(id, { checkpointId: first.id }, key);
  expect(made).toMatchObject({
    ...{ tree: first.tree, revertedTo: { id: first.id, number: first.number }, exact: true },
    ...{ notTouched: [expect.stringContaining('a.log')], notRestored: [], removed: [] },
  });
  expect(await run(id, everything)).toBe(before);
  expect(await reverted(id, { checkpointId: first.id }, key)).toEqual(made);

  const history = await readHistory(api, id);
  const told = history.slice(length).filter(({ type }) => type === 'session.reverted');
  expect(told).toMatchObject([
    {
      actor: { kind: 'user' },
      data: { checkpointId: first.id, newCheckpointId: made.id, newCheckpointNumber: made.number },
    },
  ]);
  const { items } = (await api.get(`/v1/sessions/${id}/checkpoints`)).body;
  const beforeRevert = items.find(({ number }: any) => number === made.number - 1);
  await reverted(id, { checkpointId: beforeRevert.id });
  expect(await run(id, everything)).toBe(changed);
  expect((await readHistory(api, id)).slice(0, history.length)).toEqual(history);
});

test('a running command keeps a revert from it, unless forced', async () => {
  const { id } = await newSession();
  const first = await checkpoint(id, 'first');
  const running = await api.make(`/v1/sessions/${id}/commands`, { command: 'echo x > x; sleep 600', stdin: '' });
  expect(await revert(id, { checkpointId: first.id })).toMatchObject({ status: 409, body: { code: 'session_busy' } });
  const made = await reverted(id, { checkpointId: first.id, force: true });
  expect(made).toMatchObject({ tree: first.tree });
  const ended = (await readHistory(api, id)).find(
    ({ type, commandId }: PublicEvent) => type === 'command.ended' && commandId === running.id,
  );
  expect(ended?.data).toMatchObject({ outcome: 'canceled', reason: 'reverted' });
  expect(await run(id, 'ls x 2>&1; git status --porcelain')).toContain('No such file');
});

test('a session that sleeps is woken for it', async () => {
  const { id } = await newSession();
  const first = await checkpoint(id, 'first');
  await run(id, 'rm -rf .git; echo x > x');
  await hibernate(api, id);
  expect(await reverted(id, { checkpointId: first.id })).toMatchObject({ exact: true });
  expect(await run(id, 'git status --porcelain')).toBe('');
});

test('what is no checkpoint of the session is refused', async () => {
  const [one, other] = [await newSession(), await newSession()];
  const { id: checkpointId } = await checkpoint(other.id, 'of another');
  expect(await revert(one.id, { checkpointId })).toMatchObject({ status: 404, body: { code: 'not_found' } });
  expect(await revert(one.id, { checkpointId: 'x' })).toMatchObject({
    status: 422,
    body: { errors: [{ path: 'checkpointId' }] },
  });
  expect(await revert(one.id, { checkpointId, force: 'yes' })).toMatchObject({ status: 422 });
});
