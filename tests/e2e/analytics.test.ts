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
const sessionIds: string[] = [];

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
    const session = await api.make(`/v1/projects/${id}/sessions?waitSeconds=280`, { labels: { name } });
    const [text, agent] = name === 'greeted' ? (['greet', {}] as const) : (['look', { model: 'priced' }] as const);
    expect(await say(session.id, text, agent)).toMatchObject({ outcome: 'completed' });
    sessionIds.push(session.id);
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
    ...{ from: null, to: null, groupBy: 'model', interval: 'none', truncated: false },
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

test('the other reports tell of sessions, turns and commands as soon as they are done, of all or of one project', async () => {
  const command = 'echo 12345; exit 3';
  const ran = await api.make(`/v1/sessions/${sessionIds[0]!}/commands?waitSeconds=280`, { command });
  expect(ran).toMatchObject({ state: 'ended', exitCode: 3 });
  const items = async (report: string) => (await api.get(`/v1/analytics/${report}`)).body.items;
  const [looked, greeted] = projectIds as [string, string];
  expect(await items('command-failures')).toMatchObject([{ key: 'exit 3', failures: 1, sessions: 1 }]);
  expect(await items(`command-failures?projectId=${greeted}`)).toEqual([]);
  expect(await items('slowest-commands')).toEqual(
    expect.arrayContaining([expect.objectContaining({ key: ran.id, projectId: looked, command, exitCode: 3 })]),
  );
  expect(await items(`output-volume?groupBy=session&projectId=${looked}`)).toEqual([
    { key: sessionIds[0], outputBytes: 6, commands: 1 },
  ]);
  expect(await items('sessions?interval=none')).toMatchObject([{ created: 2, active: 2, archived: 0, failed: 0 }]);
  expect(await items('outcomes?interval=none')).toMatchObject([
    { turnsCompleted: 2, turnsFailed: 0, commandsFailed: 1 },
  ]);
  expect(await items('outcomes?interval=none&label=name=greeted')).toMatchObject([
    { turnsCompleted: 1, commandsFailed: 0 },
  ]);
  expect(await items('outcomes?interval=none&label=name')).toMatchObject([{ turnsCompleted: 2 }]);
  expect((await items('sessions')).every(({ start }: { start: string }) => start.endsWith('T00:00:00.000Z'))).toBe(
    true,
  );
  const kinds = (await items('waits')).map(({ key }: { key: string }) => key);
  expect(kinds).toEqual(expect.arrayContaining(['session', 'turn', 'command']));
  expect(await worktrail('report', 'command-failures')).toMatch(/^KIND .*\nexit 3 +1 +1 /);
});

test('a message, a command and what it printed are found as soon as they are there, by their own organization', async () => {
  const ran = await api.make(`/v1/sessions/${sessionIds[1]!}/commands?waitSeconds=280`, {
    command: 'printf "%s\\n" hay-stack',
  });
  expect(ran).toMatchObject({ state: 'ended', exitCode: 0 });
  const search = async (query: string, by: Api = api) => (await by.get(`/v1/search?q=${query}`)).body;
  const { items } = await search('hay*%20stack');
  expect(items).toMatchObject([
    {
      type: 'command.output',
      commandId: ran.id,
      stream: 'stdout',
      text: 'hay-stack\n',
      highlights: [
        { from: 0, to: 3 },
        { from: 4, to: 9 },
      ],
    },
    { type: 'command.queued', commandId: ran.id, projectId: projectIds[1] },
  ]);
  const at = (await api.get(`/v1/sessions/${sessionIds[1]!}/events?limit=200`)).body.items.find(
    ({ cursor }: { cursor: string }) => cursor === items[0].cursor,
  );
  expect(at).toMatchObject({ type: 'command.output', data: { text: 'hay-stack\n' } });
  expect((await search('%22i%20have%20looked%22')).items).toMatchObject([
    { type: 'message.agent', sessionId: sessionIds[0], text: 'I have looked.', highlights: [{ from: 0, to: 13 }] },
  ]);
  const first = await search(`hay*&limit=1`);
  expect(await search(`hay*&limit=1&cursor=${first.nextCursor}`)).toMatchObject({
    items: [{ type: 'command.queued' }],
  });
  expect(await worktrail('search', '"hay-stack"', '--types', 'command.output')).toMatch(
    / {2}command\.output {2}.*\n {2}hay-stack *\n$/,
  );
  const operator = createApi(cluster.apiUrl, cluster.operatorToken);
  const other = await operator.make('/v1/organizations', { name: 'third', principal: { name: 'o', kind: 'user' } });
  expect(await search('hay*', createApi(cluster.apiUrl, other.key.secret))).toEqual({ items: [], nextCursor: null });
});
