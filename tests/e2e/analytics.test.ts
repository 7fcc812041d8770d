// What the history of all sessions adds up to, by the API and by the command line. The model is scripted: 100 tokens in and 10 out a step.

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Api, createApi } from './api.ts';
import { calls, inTurn, type RawModel, says, startRawModel } from './raw-model.ts';
import { makeRepository } from './repository.ts';
import { type RunningTestCluster, startTestCluster } from './test-cluster.ts';
import { createSay } from './turn-client.ts';

const program = join(import.meta.dirname, '../../packages/cli/src/main.ts');
const models = { priced: { provider: 'custom', id: 'priced', price: { input: 1_000, output: 10_000 } } };
let model: RawModel;
let cluster: RunningTestCluster;
let api: Api;
const projectIds: string[] = [];

beforeAll(async () => {
  model = await startRawModel();
  cluster = await startTestCluster('analytics', {
    ...process.env,
    WORKTRAIL_MODEL_URL: model.url,
    WORKTRAIL_MODEL_DEFAULT: 'custom/raw',
    WORKTRAIL_MODEL_MODELS: JSON.stringify(models),
  });
  api = createApi(cluster.apiUrl, cluster.apiKey);
  const say = createSay(api, cluster.apiKey);
  const repository = await makeRepository(join(cluster.repositoryRoot, 'analytics'), 5);
  model.on('look', inTurn(calls(['list_files', '{}']), says('I have looked.')));
  model.on('greet', says('Hello.'));
  for (const name of ['looked at', 'greeted']) {
    const { id } = await api.make('/v1/projects', { name, repository: { url: repository.path } });
    projectIds.push(id);
    const session = await api.make(`/v1/projects/${id}/sessions?waitSeconds=280`, {});
    const [text, agent] = name === 'greeted' ? (['greet', {}] as const) : (['look', { model: 'priced' }] as const);
    expect(await say(session.id, text, agent)).toMatchObject({ outcome: 'completed' });
  }
});
afterAll(async () => {
  await cluster?.stop();
  await model?.stop();
});

const costs = (costUsd: number) => expect.closeTo(costUsd, 9);
const used = (key: string, steps: number, costUsd: number) => ({
  ...{ key, calls: steps, inputTokens: 100 * steps, outputTokens: 10 * steps, cachedInputTokens: 0 },
  costUsd: costs(costUsd),
});

async function worktrail(...args: string[]): Promise<string> {
  const env = { ...process.env, WORKTRAIL_HOME: cluster.stateDirectory, NO_COLOR: '1' };
  return (await promisify(execFile)(process.execPath, [program, ...args], { env })).stdout;
}

test('usage tells what models have cost, by model and project, of a time, and to whom it belongs', async () => {
  const usage = async (query = '', by: Api = api) => (await by.get(`/v1/analytics/usage${query}`)).body;
  expect(await usage()).toEqual({
    ...{ from: null, to: null, groupBy: 'model', truncated: false },
    items: [used('priced', 2, 0.4), used('custom/raw', 1, 0)],
  });
  const [looked, greeted] = projectIds as [string, string];
  expect((await usage('?groupBy=project')).items).toEqual([used(looked, 2, 0.4), used(greeted, 1, 0)]);
  expect((await usage(`?projectId=${greeted}`)).items).toEqual([used('custom/raw', 1, 0)]);
  const nextHour = new Date(Date.now() + 3_600_000).toISOString();
  expect((await usage(`?from=${nextHour}`)).items).toEqual([]);
  expect((await usage(`?to=${nextHour}&groupBy=session`)).items).toHaveLength(2);
  const operator = createApi(cluster.apiUrl, cluster.operatorToken);
  const other = await operator.make('/v1/organizations', { name: 'other', principal: { name: 'o', kind: 'user' } });
  const theirs = createApi(cluster.apiUrl, other.key.secret);
  expect((await usage('', theirs)).items).toEqual([]);
  expect(await usage(`?projectId=${looked}`, theirs)).toMatchObject({ code: 'not_found' });
});

test('the command line has it as a table, and events have it in columns that SQL can ask for', async () => {
  const table = await worktrail('report', 'usage');
  expect(table).toMatch(/^MODEL .* COST\npriced +2 +200 +20 +0 +\$0\.40\ncustom\/raw +1 +100 +10 +0 +\$0\.0000\n$/);
  expect(JSON.parse(await worktrail('report', 'usage', '--by', 'project', '-p', 'greeted', '--json'))).toMatchObject({
    items: [used(projectIds[1]!, 1, 0)],
  });
  const sql = `SELECT model, sum(input_tokens) AS input FROM events WHERE type = 'usage' GROUP BY model ORDER BY model`;
  expect(JSON.parse(await worktrail('query', sql, '--json')).rows).toEqual([
    { model: 'custom/raw', input: 100 },
    { model: 'priced', input: 200 },
  ]);
});
