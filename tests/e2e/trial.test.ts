import { join } from 'node:path';
import { beforeAll, expect, inject, test } from 'vitest';
import { createApi, followEvents, readHistory, trialEnd } from './api.ts';
import { makeRepository } from './repository.ts';

const key = inject('apiKey');
const api = createApi(inject('apiUrl'), key);
let taskId: string;

beforeAll(async () => {
  const repository = await makeRepository(join(inject('repositoryRoot'), 'trial'), 10);
  const project = await api.make('/v1/projects', { name: 'trial', repository: { url: repository.path } });
  taskId = (await api.make(`/v1/projects/${project.id}/tasks`, { title: 'Count the files' })).id;
});

test('two attempts run side by side, each stops at its first failure, and the verifier decides', async () => {
  const trial = await api.make(`/v1/tasks/${taskId}/trials`, {
    name: 'find against git',
    attempts: [
      { title: 'find', commands: ['find . -name "*.txt" -not -path "./.git/*" | wc -l > count', 'cat count'] },
      { title: 'git', commands: ['git ls-files "*.txt" | wc -l > count', 'exit 4', 'touch never'] },
      { title: 'wrong', commands: ['echo 11 > count'] },
    ],
    verify: ['test "$(cat count)" -eq 10'],
  });
  expect(trial).toMatchObject({ taskId, state: 'running' });
  const ended = await trialEnd(api, trial.id);
  expect(ended.state).toBe('completed');
  expect(ended.sessions.map((session: any) => session.verdict)).toEqual(['passed', 'failed', 'failed']);
  const second = await readHistory(api, ended.sessions[1].sessionId);
  const commands = second.filter((event) => event.type === 'command.queued').map((event) => event.data['command']);
  expect(commands).toContain('exit 4');
  expect(commands).not.toContain('touch never');
  expect(second.filter(({ type }) => type === 'trial.verdict').map(({ data }) => data)).toEqual([
    { trialId: trial.id, taskId, attempt: 2, strategy: 'git', verdict: 'failed', reason: ended.sessions[1].reason },
  ]);
  const sql = `SELECT outcome, count() AS sessions FROM events WHERE type = 'trial.verdict' AND trial_id = '${trial.id}'
    GROUP BY outcome ORDER BY outcome`;
  expect((await api.make('/v1/query', { sql })).rows).toEqual([
    { outcome: 'failed', sessions: 2 },
    { outcome: 'passed', sessions: 1 },
  ]);
  for (const session of ended.sessions) {
    // Told by its trial's end, the session hears of its command's end a moment later.
    const alive = async () => (await api.get(`/v1/sessions/${session.sessionId}`)).body;
    await expect.poll(alive).toMatchObject({ state: 'ready', trialId: trial.id, taskId });
  }
  const listed = await api.get(`/v1/sessions?trialId=${trial.id}`);
  expect(listed.body.items).toHaveLength(3);
});

test('a trial that is canceled stops what runs and ends', async () => {
  const trial = await api.make(`/v1/tasks/${taskId}/trials`, { attempts: [{ commands: ['sleep 600'] }] });
  const sessionId = trial.sessions[0].sessionId;
  for await (const event of followEvents(api, key, sessionId)) if (event.type === 'command.started') break;
  await api.make(`/v1/trials/${trial.id}/cancel`);
  expect((await trialEnd(api, trial.id)).state).toBe('canceled');
  for await (const event of followEvents(api, key, sessionId)) {
    if (event.type !== 'command.ended') continue;
    expect(event.data).toMatchObject({ outcome: 'canceled', reason: 'trial_canceled' });
    break;
  }
});

test('a task is started with commands in one step', async () => {
  const trial = await api.make(`/v1/tasks/${taskId}/start`, { commands: ['echo started'] });
  expect((await trialEnd(api, trial.id)).sessions).toEqual([
    expect.objectContaining({ state: 'ended', verdict: 'passed' }),
  ]);
});
