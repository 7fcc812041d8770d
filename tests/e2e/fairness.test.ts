// A cluster of its own: one organization with a backlog of 500 commands, and another with one: it does not wait behind them.

import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Api, createApi, readHistory } from './api.ts';
import { makeRepository } from './repository.ts';
import { type RunningTestCluster, startTestCluster } from './test-cluster.ts';

const sessionsMax = 25;
const commandsEach = 20;

let cluster: RunningTestCluster;
let busy: { sessions: string[]; api: Api };
let quiet: { session: string; api: Api };

async function makeProject(api: Api, path: string): Promise<string> {
  return (await api.make('/v1/projects', { name: 'fairness', repository: { url: path } })).id;
}

const makeSession = async (api: Api, projectId: string): Promise<string> =>
  (await api.make(`/v1/projects/${projectId}/sessions?waitSeconds=280`)).id;

beforeAll(async () => {
  cluster = await startTestCluster('fairness');
  busy = { sessions: [], api: createApi(cluster.apiUrl, cluster.apiKey) };
  const operator = createApi(cluster.apiUrl, cluster.operatorToken);
  const { path } = await makeRepository(join(cluster.repositoryRoot, 'fairness'), 20);
  const other = { name: 'Quiet', principal: { name: 'Quinn', kind: 'user' } };
  const { key } = await operator.make('/v1/organizations', other);
  const api = createApi(cluster.apiUrl, key.secret);
  quiet = { api, session: await makeSession(api, await makeProject(api, path)) };
  const projectId = await makeProject(busy.api, path);
  for (let made = 0; made < sessionsMax; made += 5) {
    const five = Array.from({ length: 5 }, () => makeSession(busy.api, projectId));
    busy.sessions.push(...(await Promise.all(five)));
  }
});

afterAll(() => cluster.stop());

/** What is refused for the moment is asked again under the same key. */
async function ask(api: Api, path: string, body: object = {}): Promise<any> {
  const headers = { 'idempotency-key': randomUUID() };
  for (const deadline = Date.now() + 240_000; ; ) {
    const answer = await api.post(path, body, headers);
    if (answer.status < 300) return answer.body;
    const seconds = Number(answer.headers.get('retry-after') ?? 0);
    if (seconds === 0 || Date.now() > deadline)
      throw new Error(`${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    await delay(seconds * 1_000);
  }
}

test("with one organization's backlog of 500 commands, another's single command starts within seconds", async () => {
  for (const id of busy.sessions) {
    await Promise.all(
      Array.from({ length: commandsEach }, () =>
        ask(busy.api, `/v1/sessions/${id}/commands`, { command: 'sleep 60; seq 200', stdin: '' }),
      ),
    );
  }
  const begunMs = Date.now();
  const command = await quiet.api.make(`/v1/sessions/${quiet.session}/commands?waitSeconds=280`, {
    command: 'echo mine',
    stdin: '',
  });
  const tookMs = Date.now() - begunMs;
  expect(command).toMatchObject({ state: 'ended', exitCode: 0 });
  const mine = (await readHistory(quiet.api, quiet.session)).find(
    ({ commandId, type }) => commandId === command.id && type === 'command.started',
  );
  const startedMs = Date.parse(mine!.time) - begunMs;
  const lists = await Promise.all(busy.sessions.map((id) => busy.api.get(`/v1/sessions/${id}/commands?limit=100`)));
  const ended = lists.flatMap(({ body }) => body.items).filter(({ state }: { state: string }) => state === 'ended');
  const left = sessionsMax * commandsEach - ended.length;
  console.log(`started after ${startedMs} ms, answered after ${tookMs} ms, before ${left} commands of the other`);
  expect(left).toBeGreaterThan(350);
  expect(startedMs).toBeLessThan(5_000);
});
